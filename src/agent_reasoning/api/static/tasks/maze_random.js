// A random maze: corridors carved by a depth-first walk, some walls between them opened, so that there are several ways.
import { below, pick } from "../random.js";

const SIDES = [[-1, 0], [0, -1], [0, 1], [1, 0]];
const OPENED = 0.04; // of the walls between corridors

/** {context}: `size` rows and columns, from a corner to the square that is farthest from it. */
export function randomMaze(generator, size) {
  const rows = Array.from({ length: size }, () => Array(size).fill("#"));
  const beside = ([row, column], far) => SIDES.map(([down, right]) => [row + far * down, column + far * right])
    .filter(([down, right]) => rows[down]?.[right] !== undefined);
  const walk = [[0, 0]];
  rows[0][0] = " ";
  while (walk.length) {
    const here = walk.at(-1);
    const ahead = beside(here, 2).filter(([row, column]) => rows[row][column] === "#");
    if (!ahead.length) {
      walk.pop();
      continue;
    }
    const [row, column] = pick(generator, ahead);
    rows[(here[0] + row) / 2][(here[1] + column) / 2] = rows[row][column] = " ";
    walk.push([row, column]);
  }
  for (let left = Math.round(OPENED * size * size); left > 0; left--) {
    const [row, column] = [below(generator, size), below(generator, size)];
    if ((row + column) % 2) rows[row][column] = " ";
  }
  const [row, column] = farthest(rows, beside);
  rows[0][0] = "S";
  rows[row][column] = "G";
  return { context: { maze: rows.map((cells) => cells.join("")) } };
}

function farthest(rows, beside) {
  const seen = new Set(["0,0"]);
  const waiting = [[0, 0]];
  for (const here of waiting) {
    for (const next of beside(here, 1)) {
      if (rows[next[0]][next[1]] === "#" || seen.has(String(next))) continue;
      seen.add(String(next));
      waiting.push(next);
    }
  }
  return waiting.at(-1);
}
