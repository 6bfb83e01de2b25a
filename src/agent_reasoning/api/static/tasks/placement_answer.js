// A placement: each node with who is on it and how full it is, and the moves that lead there.
import { classes, html } from "../dom.js";
import { own } from "../own.js";
import { blamed } from "./marks.js";
import { amountOf } from "./quantities.js";

const RESOURCES = [["cpu", "CPU"], ["memory", "Memory"], ["gpu", "GPU"]];

export function Answer({ context, solution, before, violations }) {
  const { nodes, wants, current } = clusterIn(context, solution);
  const on = grouped(solution.assignment);
  const wrong = blamed([...nodes.map(({ name }) => name), ...Object.keys(solution.assignment)], violations);
  return html`
    <ul class="nodes">
      ${nodes.map((node) => {
        const here = on.get(node.name) ?? [];
        const bars = RESOURCES.map(([field, words]) => ({ words, share: shareOf(node[field], here.map((name) => wants.get(name)?.[field])) })).filter(({ share }) => share !== null);
        const from = (name) => (current.get(name) === node.name ? null : current.get(name));
        const over = bars.some(({ share }) => share > 1);
        return html`
          <li key=${node.name} class=${classes("machine", !here.length && "unused", (over || wrong.has(node.name)) && "wrong")}>
            <div class="bar"><h3>${node.name}</h3>${here.length ? html`<span class="fine">${here.length}</span>` : html`<span class="fine">${(solution.freed ?? []).includes(node.name) ? "freed" : "not in use"}</span>`}</div>
            ${bars.map(({ words, share }) => html`<div class=${classes("load", share > 1 && "over")}><span>${words}</span><span class="track"><span class="fill" style=${{ width: `${Math.min(100, share * 100).toFixed(1)}%` }}></span></span><span>${Math.round(share * 100)} %</span></div>`)}
            <ul class="chips">${here.map((name) => html`<li key=${name} class=${classes("chip", before && before.assignment[name] !== node.name && "changed", wrong.has(name) && "wrong", from(name) && "moved")}>${name}${from(name) && html`<small>from ${from(name)}</small>`}</li>`)}</ul>
          </li>`;
      })}
    </ul>
    <p class="legend"><span class="moved">moved</span><span class="changed">changed in this step</span><span class="wrong">breaks a rule</span></p>
    ${solution.moves?.length > 0 && html`<details class="words" open><summary>${solution.moves.length} ${solution.moves.length === 1 ? "move" : "moves"}, in an order in which no node is overdrawn</summary>
      <ol class="moves">${solution.moves.map(({ workload, from, to }) => html`<li><strong>${workload}</strong> ${from ? `${from} → ${to}` : `starts on ${to}`}</li>`)}</ol></details>`}
    ${solution.blocked?.length > 0 && html`<p>Blocked by each other: ${solution.blocked.join(", ")}.</p>`}
    ${solution.not_understood?.length > 0 && html`<p>Not understood, and not kept to: ${solution.not_understood.join("; ")}.</p>`}`;
}

/** What the context says of nodes and workloads, by the names that the solution has. Of other forms than the own one only who is where. */
function clusterIn(context, solution) {
  const listed = Array.isArray(context.nodes) ? context.nodes.filter((node) => typeof node?.name === "string") : [];
  const names = new Set([...listed.map(({ name }) => name), ...Object.values(solution.assignment), ...(solution.unused ?? []), ...(solution.freed ?? [])]);
  const nodes = [...names].map((name) => listed.find((node) => node.name === name) ?? { name });
  const wants = new Map();
  const current = new Map();
  for (const workload of Array.isArray(context.workloads) ? context.workloads : []) {
    const replicas = Number(workload.replicas ?? 1);
    const at = Array.isArray(workload.node) ? workload.node : Array(replicas).fill(workload.node);
    for (let number = 0; number < replicas; number++) {
      const name = replicas > 1 ? `${workload.name}-${number + 1}` : workload.name;
      wants.set(name, workload);
      current.set(name, at[number]);
    }
  }
  return { nodes, wants, current };
}

/** Null where the node's capacity is not stated, or nobody wants any. */
function shareOf(capacity, wanted) {
  const has = amountOf(capacity ?? "");
  const sum = wanted.reduce((all, one) => all + (amountOf(one ?? 0) ?? 0), 0);
  if (has === null || (has === 0 && sum === 0)) return null;
  return has ? sum / has : Infinity;
}

function grouped(assignment) {
  const found = new Map();
  for (const [name, node] of Object.entries(assignment)) found.set(node, [...(found.get(node) ?? []), name]);
  return found;
}
