// Where the nodes of a graph go: dagre's layered layout.
import { Graph, layout } from "../vendor/dagre.js";

export const NODE_HEIGHT = 34;
const LETTER = 7.4; // pixels, on the average, at the size that style.css gives labels
const LONGEST = 22;
const MARGIN = 12;

export const shorten = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

const KEPT = 4; // the problem's graph and the answer's, while either is being changed
const known = new Map();

/** nodes: [{id, label}]; edges: [{from, to}] by id. Gives {box: [x, y, width, height], at: id -> {x, y, width}, routes: [[{x, y}, …] of each edge]}. */
export function arrange(nodes, edges, direction) {
  const key = JSON.stringify([direction, nodes.map(({ id, label }) => [id, label]), edges.map(({ from, to }) => [from, to])]);
  if (!known.has(key)) known.set(key, place(nodes, edges, direction));
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return known.get(key);
}

/** Dagre's own measure leaves out edges that go around. */
function around(at, points) {
  const corners = [...at.values()].flatMap(({ x, y, width, height }) => [{ x: x - width / 2, y: y - height / 2 }, { x: x + width / 2, y: y + height / 2 }]);
  const all = [...corners, ...points];
  const [xs, ys] = [all.map(({ x }) => x), all.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs) - MARGIN, Math.min(...ys) - MARGIN];
  return all.length ? [left, top, Math.max(...xs) + MARGIN - left, Math.max(...ys) + MARGIN - top] : [0, 0, 0, 0];
}

function place(nodes, edges, direction) {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 16, ranksep: direction === "LR" ? 46 : 34 });
  for (const { id, label } of nodes) graph.setNode(id, { width: Math.max(52, shorten(label).length * LETTER + 26), height: NODE_HEIGHT });
  edges.forEach(({ from, to }, number) => graph.setEdge(from, to, {}, String(number)));
  layout(graph);
  const at = new Map(nodes.map(({ id }) => [id, graph.node(id)]));
  const routes = edges.map(({ from, to }, number) => graph.edge(from, to, String(number)).points);
  return { box: around(at, routes.flat()), at, routes };
}
