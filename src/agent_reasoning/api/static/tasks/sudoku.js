// Sudoku: a grid, digits in place, what breaks a rule in red.
import { classes, html } from "../dom.js";
import { below, pick, shuffled } from "../random.js";
import { PUZZLES } from "./puzzles.js";

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const CELLS = [...Array(81).keys()];
const UNITS = CELLS.slice(0, 9).flatMap((unit) => {
  const [row, column] = [3 * Math.floor(unit / 3), 3 * (unit % 3)];
  return [
    CELLS.filter((cell) => Math.floor(cell / 9) === unit),
    CELLS.filter((cell) => cell % 9 === unit),
    CELLS.filter((cell) => 3 * Math.floor(cell / 27) === row && 3 * Math.floor((cell % 9) / 3) === column),
  ];
});

/** The cells whose digit stands twice in a row, a column or a box. */
function clashing(digits) {
  const found = new Set();
  for (const unit of UNITS) {
    for (const cell of unit) {
      if (digits[cell] && unit.some((other) => other !== cell && digits[other] === digits[cell])) found.add(cell);
    }
  }
  return found;
}

const nameOf = (cell) => `Row ${Math.floor(cell / 9) + 1}, column ${(cell % 9) + 1}`;
const place = (cell) => classes("cell", cell % 9 === 2 || cell % 9 === 5 ? "right" : "", [2, 5].includes(Math.floor(cell / 9)) ? "below" : "");

function Editor({ model, change }) {
  const clashes = clashing(model);
  const set = (cell, digit) => change(model.map((before, other) => (other === cell ? digit : before)));
  const keyed = (event) => {
    const cells = [...event.currentTarget.closest(".sudoku").querySelectorAll("input")];
    const cell = cells.indexOf(event.currentTarget);
    const move = MOVES[event.key];
    if (move) {
      event.preventDefault();
      const to = cells[((Math.floor(cell / 9) + move[0] + 9) % 9) * 9 + (((cell % 9) + move[1] + 9) % 9)];
      to.focus();
      to.select();
    } else if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      set(cell, Number(event.key));
    } else if (["0", ".", " ", "Backspace", "Delete"].includes(event.key)) {
      event.preventDefault();
      set(cell, 0);
    }
  };
  // Phones report no keys, only what stands in the field afterwards.
  const typed = (event, cell) => {
    set(cell, Number(/[1-9](?=[^1-9]*$)/.exec(event.target.value)?.[0] ?? 0));
    event.target.value = model[cell] || "";
  };
  const pasted = (event) => {
    const text = event.clipboardData.getData("text").replace(/[^0-9.]/g, "");
    if (text.length !== 81) return;
    event.preventDefault();
    change([...text].map((character) => (character === "." ? 0 : Number(character))));
  };
  return html`
    <div class="sudoku" role="group" aria-label="Sudoku: digits fill a cell, arrow keys move" onPaste=${pasted}>
      ${model.map((digit, cell) => html`
        <input key=${cell} class=${classes(place(cell), digit && "given", clashes.has(cell) && "wrong")} type="text" inputmode="numeric" autocomplete="off"
          tabindex=${cell === 0 ? 0 : -1} aria-label=${nameOf(cell)} aria-invalid=${clashes.has(cell) ? "true" : undefined}
          value=${digit || ""} onKeyDown=${keyed} onInput=${(event) => typed(event, cell)} onFocus=${(event) => event.target.select()} />`)}
    </div>
    <p class="fine">${model.filter(Boolean).length} givens. ${clashes.size ? "Those in red contradict each other." : "81 characters can be pasted into any cell."}${" "}
      <button type="button" class="link" onClick=${() => change(model.map(() => 0))}>Clear</button></p>`;
}

function Answer({ context, solution, before }) {
  const givens = read(context) ?? CELLS.map(() => 0);
  const digits = solution.grid.flat();
  const earlier = before?.grid.flat();
  const clashes = clashing(digits);
  const label = (cell) => `${nameOf(cell)}: ${digits[cell]}${givens[cell] ? ", given" : ""}${clashes.has(cell) ? ", breaks a rule" : ""}`;
  return html`
    <div class="sudoku solved" role="group" aria-label="The answer">
      ${digits.map((digit, cell) => html`<span key=${cell} role="img" aria-label=${label(cell)}
        class=${classes(place(cell), givens[cell] && "given", clashes.has(cell) && "wrong", earlier && earlier[cell] !== digit && "changed")}>${digit}</span>`)}
    </div>
    <p class="legend"><span class="given">given</span><span class="changed">changed in this step</span><span class="wrong">breaks a rule</span></p>`;
}

function read({ puzzle, ...others }) {
  if (Object.keys(others).length) return null;
  if (typeof puzzle === "string") return /^[0-9.]{81}$/.test(puzzle) ? [...puzzle].map((character) => Number(character.replace(".", "0"))) : null;
  const isRow = (row) => Array.isArray(row) && row.length === 9 && row.every((digit) => Number.isInteger(digit) && digit >= 0 && digit <= 9);
  return Array.isArray(puzzle) && puzzle.length === 9 && puzzle.every(isRow) ? puzzle.flat() : null;
}

/** A shipped puzzle with its digits renamed, its rows and columns reordered within the rules, and turned: one of 10¹² of each. */
function random(generator, givens) {
  const puzzle = pick(generator, PUZZLES[givens]);
  const digits = [0, ...shuffled(generator, [1, 2, 3, 4, 5, 6, 7, 8, 9])];
  const order = () => shuffled(generator, [0, 1, 2]).flatMap((band) => shuffled(generator, [0, 1, 2]).map((line) => 3 * band + line));
  const [rows, columns] = [order(), order()];
  const turned = below(generator, 2) === 1;
  const grid = rows.flatMap((row) => columns.map((column) => puzzle[turned ? 9 * column + row : 9 * row + column]));
  return { context: { puzzle: grid.map((character) => (character === "." ? "." : digits[Number(character)])).join("") } };
}

export default {
  title: "Sudoku",
  noun: "Grid",
  sizes: [
    { size: 36, label: "easy, 36 givens" },
    { size: 30, label: "middling, 30 givens" },
    { size: 25, label: "hard, 25 givens" },
  ],
  matches: (context) => "puzzle" in context,
  read,
  write: (model) => ({ puzzle: model.map((digit) => digit || ".").join("") }),
  random,
  Editor,
  Answer,
};
