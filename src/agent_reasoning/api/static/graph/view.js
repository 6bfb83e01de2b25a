// A graph as a picture that can be read and, where `select` is given, worked in.
import { classes, html } from "../dom.js";
import { arrange, NODE_HEIGHT, shorten } from "./layout.js";

const SMALLEST = 0.72; // a large graph is drawn smaller, down to this, and scrolls from there on
const narrow = matchMedia("(max-width: 46rem)");

/* name: unlike that of any other graph on the page. nodes: [{id, label, mark (class names), note (said after the label), badge (a few characters)}]; edges: [{from, to, mark}].
   select(id): a node was chosen; connect(from, to): somebody dragged from one to another. */
export function GraphView({ name, label, nodes, edges, selected, select, connect }) {
  const { box, at, routes } = arrange(nodes, edges, narrow.matches ? "TB" : "LR");
  return html`
    <div class="graph" tabindex=${select ? undefined : "0"} role="group" aria-label=${label}>
      <svg style=${{ width: `${box[2]}px`, minWidth: `${box[2] * SMALLEST}px` }} viewBox=${box.join(" ")} onPointerDown=${connect && dragging(connect)}>
        <defs>${["", "hot", "dim"].map((kind) => html`
          <marker id=${`${name}-arrow-${kind}`} class=${classes("arrow", kind)} viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8Z" /></marker>`)}</defs>
        ${edges.map(({ from, to, mark = "" }, number) => html`<path key=${`${from}>${to}`} class=${classes("edge", mark)} d=${curve(routes[number])}
          marker-end=${`url(#${name}-arrow-${mark.includes("hot") ? "hot" : mark.includes("dim") ? "dim" : ""})`} />`)}
        ${nodes.map((node) => html`<${Node} key=${node.id} node=${node} box=${at.get(node.id)} selected=${node.id === selected} select=${select} />`)}
        <path class="pull" />
      </svg>
    </div>`;
}

function Node({ node, box, selected, select }) {
  const { id, label, mark, note, badge } = node;
  const chosen = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    select(id);
  };
  const works = select && { role: "button", tabindex: "0", "aria-pressed": String(selected), onClick: chosen, onKeyDown: chosen };
  return html`
    <g class=${classes("node", mark, selected && "selected")} transform=${`translate(${box.x - box.width / 2} ${box.y - NODE_HEIGHT / 2})`}
      data-node=${id} aria-label=${note ? `${label}, ${note}` : label} role="img" ...${works}>
      <title>${note ? `${label}: ${note}` : label}</title>
      <rect width=${box.width} height=${NODE_HEIGHT} rx="9" />
      <text x=${box.width / 2} y=${NODE_HEIGHT / 2 + 4.5} text-anchor="middle" aria-hidden="true">${shorten(label)}</text>
      ${badge && html`<g class="badge" aria-hidden="true" transform=${`translate(${box.width - 4} 2)`}><circle r="9" /><text y="4" text-anchor="middle">${badge}</text></g>`}
    </g>`;
}

/** Through dagre's points, rounded. */
function curve(points) {
  const [first, ...others] = points;
  let path = `M${first.x} ${first.y}`;
  for (let number = 0; number < others.length - 1; number++) {
    const [here, next] = [others[number], others[number + 1]];
    const last = number === others.length - 2;
    const end = last ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    path += `Q${here.x} ${here.y} ${end.x} ${end.y}`;
  }
  return others.length === 1 ? `${path}L${others[0].x} ${others[0].y}` : path;
}

/** For those with a mouse; what it does can be done with the fields below the graph as well. */
function dragging(connect) {
  return (event) => {
    const from = event.target.closest("[data-node]")?.dataset.node;
    if (from === undefined || event.pointerType === "touch" || event.button !== 0) return; // a finger scrolls
    const svg = event.currentTarget;
    const pull = svg.querySelector(".pull");
    const toLocal = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const move = (moved) => {
      const here = new DOMPoint(moved.clientX, moved.clientY).matrixTransform(svg.getScreenCTM().inverse());
      pull.setAttribute("d", `M${toLocal.x} ${toLocal.y}L${here.x} ${here.y}`);
    };
    const end = (ended) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      pull.removeAttribute("d");
      const to = document.elementFromPoint(ended.clientX, ended.clientY)?.closest("[data-node]");
      if (ended.type === "pointerup" && to && svg.contains(to) && to.dataset.node !== from) connect(from, to.dataset.node);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  };
}
