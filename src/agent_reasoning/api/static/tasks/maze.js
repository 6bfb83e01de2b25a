// Mazes: squares that are painted, and the path drawn into them.
import { classes, html } from "../dom.js";
import { randomMaze } from "./maze_random.js";

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const KINDS = { "#": "wall", " ": "open", S: "start", G: "goal" };
const drawnAs = (kind) => (kind === " " ? "way" : KINDS[kind]);
const LONGEST = 40; // rows and columns that the task takes

const label = (row, column, kind) => `Row ${row + 1}, column ${column + 1}: ${KINDS[kind]}`;
const columns = (rows) => ({ gridTemplateColumns: `repeat(${rows[0].length}, 1fr)`, aspectRatio: `${rows[0].length} / ${rows.length}` });

/** There is one start and one goal: a second one moves the first. */
function painted(rows, row, column, kind) {
  const unique = kind === "S" || kind === "G";
  return rows.map((cells, y) => cells.map((cell, x) => (y === row && x === column ? kind : unique && cell === kind ? " " : cell)));
}

function Editor({ model, change }) {
  const { rows, brush } = model;
  const paint = (row, column, kind = brush) => rows[row][column] !== kind && change({ ...model, rows: painted(rows, row, column, kind) });
  const keyed = (event, row, column) => {
    const move = MOVES[event.key];
    const kind = { "#": "#", ".": " ", s: "S", g: "G" }[event.key.toLowerCase()];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) {
      const [down, right] = [(row + move[0] + rows.length) % rows.length, (column + move[1] + rows[0].length) % rows[0].length];
      event.currentTarget.parentElement.children[down * rows[0].length + right].focus();
    } else if (kind) paint(row, column, kind);
    else return;
    event.preventDefault();
  };
  const over = (event, row, column) => event.buttons === 1 && event.pointerType === "mouse" && paint(row, column);
  return html`
    <fieldset class="states"><legend class="hidden">What a click paints</legend>
      ${Object.entries(KINDS).map(([kind, name]) => html`<label key=${kind}>
        <input type="radio" name="brush" checked=${kind === brush} onChange=${() => change({ ...model, brush: kind })} /><span>${name}</span></label>`)}
    </fieldset>
    <div class="maze" style=${columns(rows)} role="group" aria-label="Maze: arrow keys move; Enter paints; #, ., S and G set a square">
      ${rows.flatMap((cells, row) => cells.map((kind, column) => html`
        <button key=${`${row},${column}`} type="button" class=${drawnAs(kind)} tabindex=${row + column ? -1 : 0} aria-label=${label(row, column, kind)}
          onPointerDown=${(event) => over(event, row, column)} onPointerEnter=${(event) => over(event, row, column)}
          onClick=${() => paint(row, column)} onKeyDown=${(event) => keyed(event, row, column)}>${kind === "S" || kind === "G" ? kind : ""}</button>`))}
    </div>
    <p class="fine">${rows.length} × ${rows[0].length} squares. Choose what to paint, then click squares or draw over them.</p>`;
}

const keysOf = (solution) => new Set([...(solution?.path ?? []), ...(solution?.stray ?? [])].map(String));

function Answer({ context, solution, before }) {
  const rows = rowsOf(context);
  if (!rows) return html`<pre class="data" tabindex="0">${JSON.stringify(solution)}</pre>`;
  const [now, earlier] = [keysOf(solution), before && keysOf(before)];
  const stray = new Set((solution.stray ?? []).map(String));
  const steps = solution.path.length - 1;
  return html`
    <div class="maze solved" style=${columns(rows)} role="img" aria-label=${`The answer: a path of ${steps} steps${stray.size ? `, and ${stray.size} squares marked beside it` : ""}`}>
      ${rows.flatMap((cells, row) => cells.map((kind, column) => {
        const at = `${row},${column}`;
        const changed = earlier && earlier.has(at) !== now.has(at);
        return html`<span key=${at} class=${classes(drawnAs(kind), now.has(at) && "path", changed && "changed", stray.has(at) && "wrong")}>${kind === "S" || kind === "G" ? kind : ""}</span>`;
      }))}
    </div>
    <p class="legend"><span class="full">path, ${steps} steps</span><span class="changed">changed in this step</span><span class="wrong">marked, and not on the path</span></p>`;
}

/** [[character]]; null where it is no maze that the grid can show. */
function rowsOf({ maze, ...others }) {
  if (Object.keys(others).length) return null;
  const lines = typeof maze === "string" ? maze.replace(/^[\r\n]+|[\r\n]+$/g, "").split(/\r?\n/) : maze;
  const isRow = (row) => typeof row === "string" && row.length === lines[0].length && /^[# .SG]+$/.test(row);
  return Array.isArray(lines) && lines.length >= 1 && lines.length <= LONGEST && typeof lines[0] === "string" && lines[0].length <= LONGEST && lines.every(isRow)
    ? lines.map((row) => [...row.replaceAll(".", " ")])
    : null;
}

function check({ rows }) {
  const missing = ["S", "G"].filter((kind) => !rows.flat().includes(kind));
  return missing.length ? `The maze has no ${missing.map((kind) => KINDS[kind]).join(" and no ")}: choose it above, then the square where it is.` : null;
}

export default {
  title: "Maze",
  noun: "Grid",
  sizes: [
    { size: 10, label: "10 rows" },
    { size: 20, label: "20 rows" },
    { size: 30, label: "30 rows" },
  ],
  matches: (context) => "maze" in context,
  read(context) {
    const rows = rowsOf(context);
    return rows && { rows, brush: "#" };
  },
  write: ({ rows }) => ({ maze: rows.map((cells) => cells.join("")) }),
  check,
  random: randomMaze,
  objective: (value) => `The path takes ${value} steps`,
  Editor,
  Answer,
};
