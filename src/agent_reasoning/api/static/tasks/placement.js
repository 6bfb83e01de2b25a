// placement: tables of nodes and workloads.
import { classes, html } from "../dom.js";
import { freeName, newItem, wrongNames } from "../graph/items.js";
import { own } from "../own.js";
import { blamed, sentencesOf } from "./marks.js";
import { Answer } from "./placement_answer.js";
import { plain } from "./quantities.js";
import { random } from "./placement_random.js";

const OBJECTIVES = { "": "as the question says", consolidate: "the fewest nodes", spread: "spread evenly", fewest_moves: "the fewest moves" };
const MEANINGS = {
  consolidate: (value) => `${value} ${value === 1 ? "node is" : "nodes are"} in use`,
  spread: (value) => `The fullest node is ${value} % full`,
  fewest_moves: (value) => `${value} of those that run ${value === 1 ? "moves" : "move"}`,
};
const NODE_COLUMNS = [["name", "Node"], ["cpu", "CPU"], ["memory", "Memory"], ["gpu", "GPU"], ["cordoned", "Cordoned"], ["drain", "Drain"]];
const WORKLOAD_COLUMNS = [["name", "Workload"], ["replicas", "Replicas"], ["cpu", "CPU"], ["memory", "Memory"], ["gpu", "GPU"], ["node", "Runs on"], ["apart", "Apart"]];
const HINTS = { cpu: "500m", memory: "8Gi", gpu: "0", replicas: "1", node: "new", apart: "" };

function Editor({ model, change, refused }) {
  const { nodes, workloads } = model;
  const set = (list) => (found) => change({ ...model, [list]: found });
  const places = (refused?.errors ?? []).map(({ where }) => where);
  const sentences = sentencesOf(refused);
  return html`
    <label class="field"><span>Objective</span>
      <select value=${model.objective} onChange=${(event) => change({ ...model, objective: event.target.value })}>
        ${Object.entries(OBJECTIVES).map(([value, words]) => html`<option value=${value} selected=${value === model.objective}>${words}</option>`)}</select></label>
    <${Table} title="Nodes" noun="node" rows=${nodes} columns=${NODE_COLUMNS} change=${set("nodes")} places=${places} list="nodes" sentences=${sentences} />
    <${Table} title="Workloads" noun="workload" rows=${workloads} columns=${WORKLOAD_COLUMNS} change=${set("workloads")} places=${places} list="workloads" sentences=${sentences} />`;
}

function Table({ title, noun, rows, columns, change, places, list, sentences }) {
  const set = (id, field, value) => change(rows.map((row) => (row.id === id ? { ...row, [field]: value } : row)));
  const wrong = blamed(rows.map(({ name }) => name), sentences);
  const isWrong = (number, field) => places.some((where) => new RegExp(`^${list}(\\.list)?\\.${number}(\\.${field}(\\.|$)|$)`).test(where));
  const add = () => {
    const before = rows.at(-1); // most are like the one before
    change([...rows, newItem(freeName(rows, noun), { ...EMPTY[list], cpu: before?.cpu ?? "", memory: before?.memory ?? "" })]);
  };
  return html`
    <div class="bar"><h3>${title} <span class="count">${rows.length}</span></h3><button type="button" onClick=${add}>Add a ${noun}</button></div>
    <div class="scroll"><table class="rows">
      <thead><tr>${columns.map(([, words]) => html`<th scope="col">${words}</th>`)}<th scope="col"><span class="hidden">Delete</span></th></tr></thead>
      <tbody>${rows.map((row, number) => html`
        <tr key=${row.id} class=${classes(wrong.has(row.name) && "wrong")}>
          ${columns.map(([field, words]) => html`<td class=${field} data-label=${words}>${typeof row[field] === "boolean"
            ? html`<input type="checkbox" checked=${row[field]} aria-label=${`${words}: ${row.name}`} onChange=${(event) => set(row.id, field, event.target.checked)} />`
            : html`<input type="text" value=${row[field]} placeholder=${HINTS[field]} autocomplete="off" spellcheck="false" aria-label=${field === "name" ? `Name of the ${noun}` : `${words} of ${row.name}`}
                aria-invalid=${isWrong(number, field) ? "true" : undefined} onInput=${(event) => set(row.id, field, event.target.value)} />`}
            ${field === "name" && Object.keys(row.more).length > 0 && html`<small title="Kept as they are; change them as JSON">+ ${Object.keys(row.more).join(", ")}</small>`}</td>`)}
          <td class="delete"><button type="button" class="plain" aria-label=${`Delete ${row.name}`} onClick=${() => change(rows.filter(({ id }) => id !== row.id))}>×</button></td>
        </tr>`)}</tbody>
    </table></div>`;
}

const EMPTY = {
  nodes: { cpu: "", memory: "", gpu: "", cordoned: false, drain: false, more: {} },
  workloads: { replicas: "", cpu: "", memory: "", gpu: "", node: "", apart: "", more: {} },
};

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string" || typeof value === "number";
const splitNames = (text) => text.split(",").map((name) => name.trim()).filter(Boolean);

function read({ nodes, workloads = [], objective = "", drain = [], ...others }) {
  if (Object.keys(others).length || ![nodes, workloads].every((list) => Array.isArray(list) && list.every((one) => isObject(one) && typeof one.name === "string"))) return null;
  if (!Array.isArray(drain) || !Object.hasOwn(OBJECTIVES, objective)) return null;
  const known = new Set(nodes.map(({ name }) => name));
  if (!drain.every((name) => known.has(name))) return null;
  const rowOf = (list) => ({ name, ...fields }) => {
    const row = { ...EMPTY[list], more: {} };
    for (const [field, value] of Object.entries(fields)) {
      const form = typeof own(row, field);
      if (form === "boolean" && typeof value === "boolean") row[field] = value;
      else if (form === "string" && isText(value)) row[field] = String(value);
      else if (form === "string" && ["node", "apart"].includes(field) && Array.isArray(value) && value.every((each) => typeof each === "string" && !each.includes(","))) row[field] = value.join(", ");
      else row.more[field] = value;
    }
    return newItem(name, row);
  };
  return {
    objective,
    nodes: nodes.map(rowOf("nodes")).map((row) => ({ ...row, drain: drain.includes(row.name) })),
    workloads: workloads.map(rowOf("workloads")),
  };
}

function write({ nodes, workloads, objective }) {
  const drain = nodes.filter((node) => node.drain).map(({ name }) => name);
  const amounts = (row, fields) => Object.fromEntries(fields.filter((field) => row[field].trim()).map((field) => [field, plain(row[field].trim())]));
  const namesIn = (text) => (text.includes(",") ? splitNames(text) : text.trim());
  return {
    nodes: nodes.map((row) => ({ name: row.name, ...amounts(row, ["cpu", "memory", "gpu"]), ...(row.cordoned ? { cordoned: true } : {}), ...row.more })),
    workloads: workloads.map((row) => ({
      name: row.name, ...amounts(row, ["cpu", "memory", "gpu", "replicas"]),
      ...(row.node.trim() ? { node: namesIn(row.node) } : {}), ...(row.apart.trim() ? { apart: namesIn(row.apart) } : {}), ...row.more,
    })),
    ...(objective ? { objective } : {}),
    ...(drain.length ? { drain } : {}),
  };
}

export default {
  title: "Placement",
  noun: "Tables",
  sizes: [6, 12, 20].map((size) => ({ size, label: `${size} workloads` })),
  matches: (context) => "nodes" in context || "workloads" in context || "pods" in context || "current_nodes" in context,
  read,
  write,
  check: ({ nodes, workloads }) => wrongNames(nodes, "node") ?? (workloads.length ? wrongNames(workloads, "workload") : null),
  objective: (value, { objective }) => own(MEANINGS, objective)?.(value) ?? `It comes to ${value}`,
  random,
  Editor,
  Answer,
};
