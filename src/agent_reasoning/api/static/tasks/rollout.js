// rollout: steps that need each other, as a graph; the answer as waves, or on a time axis where there are limits.
import { Component, html } from "../dom.js";
import { ItemFields } from "../graph/fields.js";
import { changed, freeName, itemsOf, namesById, newItem, toggled, wrongNames } from "../graph/items.js";
import { GraphView } from "../graph/view.js";
import { own } from "../own.js";
import { below, names, pick } from "../random.js";
import { blamed, sentencesOf } from "./marks.js";
import { TimeAxis, Waves } from "./schedule.js";

class Editor extends Component {
  render({ model, change, refused }, { chosen }) {
    const { steps } = model;
    const byId = namesById(steps);
    const wrong = blamed(Object.values(byId), sentencesOf(refused));
    const setSteps = (found) => change({ ...model, steps: found });
    const choose = (id) => this.setState({ chosen: id });
    const add = () => {
      const step = newItem(freeName(steps, "step"), { duration: "" });
      setSteps([...steps, step]);
      choose(step.id);
    };
    const step = steps.find(({ id }) => id === chosen);
    const noteOf = ({ needs, duration }) => `${needs.length ? `needs ${needs.map((need) => byId[need]).join(", ")}` : "needs nothing"}${duration ? `, takes ${duration}` : ""}`;
    return html`
      <div class="fields">
        <label class="field"><span>At most at the same time</span><input type="number" min="1" max="128" placeholder="no limit" value=${model.parallel}
          onInput=${(event) => change({ ...model, parallel: event.target.value })} /></label>
        <div class="tools"><button type="button" onClick=${add}>Add a step</button></div>
      </div>
      <${GraphView} name="steps" label="Steps, and what each needs first" selected=${chosen} select=${choose}
        connect=${(from, to) => setSteps(toggled(steps, to, from))}
        nodes=${steps.map((each) => ({ id: each.id, label: each.name, note: noteOf(each), badge: each.duration, mark: wrong.has(each.name) ? "wrong" : "" }))}
        edges=${steps.flatMap(({ id, needs, name }) => needs.map((need) => ({ from: need, to: id, mark: wrong.has(name) && wrong.has(byId[need]) ? "hot" : "" })))} />
      <${ItemFields} items=${steps} id=${chosen} noun="step" change=${setSteps} close=${() => choose(null)}>
        ${step && html`<label class="field"><span>Duration</span><input type="text" inputmode="decimal" placeholder="1" value=${step.duration}
          onInput=${(event) => setSteps(changed(steps, step.id, { duration: event.target.value.trim() }))} /></label>`}
      <//>`;
  }
}

function Answer({ context, solution, before, violations }) {
  const durations = typeof context.durations === "object" && context.durations !== null ? context.durations : {};
  const wrong = blamed(solution.waves.flat(), violations);
  if (solution.starts) return html`<${TimeAxis} solution=${solution} before=${before} durations=${durations} wrong=${wrong} />`;
  return html`<${Waves} solution=${solution} before=${before} needs=${needsIn(context)} wrong=${wrong} />`;
}

/** What each step needs, by name; nothing where the context is a file of another kind. */
function needsIn(context) {
  const model = read(context);
  if (!model) return {};
  const byId = namesById(model.steps);
  return Object.fromEntries(model.steps.map(({ name, needs }) => [name, needs.map((need) => byId[need])]));
}

function read({ steps, max_parallel: parallel = null, durations = null, ...others }) {
  if (Object.keys(others).length || typeof steps !== "object" || steps === null) return null;
  if (durations !== null && typeof durations !== "object") return null;
  const listed = Array.isArray(steps)
    ? steps.map((step) => [step?.name, step?.depends_on ?? []])
    : Object.entries(steps);
  if (!listed.every(([name, needs]) => typeof name === "string" && Array.isArray(needs))) return null;
  const known = new Set(listed.map(([name]) => name));
  if (!Object.keys(durations ?? {}).every((name) => known.has(name))) return null;
  const items = itemsOf(listed.map(([name, needs]) => [name, needs, { duration: String(own(durations ?? {}, name) ?? "") }]));
  return items && { steps: items, parallel: parallel === null ? "" : String(parallel) };
}

function write({ steps, parallel }) {
  const byId = namesById(steps);
  const durations = Object.fromEntries(steps.filter(({ duration }) => duration).map(({ name, duration }) => [name, numberIn(duration)]));
  return {
    steps: Object.fromEntries(steps.map(({ name, needs }) => [name, needs.map((need) => byId[need])])),
    ...(parallel === "" ? {} : { max_parallel: numberIn(parallel) }),
    ...(Object.keys(durations).length ? { durations } : {}),
  };
}

/** What is no number goes to the service as it is, which says so better. */
const numberIn = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

/** Steps in layers, each needing some of the layer before and a few of earlier ones; two in three with limits. */
function random(generator, count) {
  const known = names(generator, count).reverse();
  const depth = Math.min(count, 3 + below(generator, 4));
  const layer = known.map((_, number) => Math.floor((number / count) * depth));
  const steps = Object.fromEntries(known.map((name, number) => {
    const before = known.filter((_, other) => layer[other] === layer[number] - 1);
    const earlier = known.filter((_, other) => layer[other] < layer[number] - 1 && generator() < 0.08);
    const needs = before.length ? [pick(generator, before), ...before.filter(() => generator() < 0.15)] : [];
    return [name, [...new Set([...needs, ...earlier])]];
  }));
  if (generator() < 1 / 3) return { context: { steps }, question: "In which order can I roll these out?" };
  const scale = [1, 2, 3, 5, 8];
  const durations = Object.fromEntries(known.map((name) => [name, pick(generator, scale)]));
  const parallel = 2 + below(generator, 3);
  return { context: { steps, max_parallel: parallel, durations }, question: `How soon can I roll these out, ${parallel} at a time?` };
}

export default {
  title: "Rollout",
  noun: "Graph",
  sizes: [8, 14, 24].map((size) => ({ size, label: `${size} steps` })),
  matches: (context) => "steps" in context && !("alerts" in context),
  read,
  write,
  check: ({ steps }) => wrongNames(steps, "step"),
  objective: (value) => `All is done after ${value}`,
  random,
  Editor,
  Answer,
};
