// root-cause: a map of services, each silent, alerting or known to work; the answer marks who is at fault on the same map.
import { Component, html } from "../dom.js";
import { ItemFields } from "../graph/fields.js";
import { changed, freeName, itemsOf, namesById, newItem, toggled, wrongNames } from "../graph/items.js";
import { GraphView } from "../graph/view.js";
import { own } from "../own.js";
import { below, names, pick } from "../random.js";
import { blamed, sentencesOf } from "./marks.js";

const STATES = { silent: "says nothing", alerting: "alerts", healthy: "known to work" };
const BADGES = { alerting: "!", healthy: "✓" };
const WEIGHTS = {
  missing: [2, "A failing service that is silent"], false: [3, "An alert called false"],
  extra_fault: [4, "Each fault after the first"], contradicted: [6, "A failing service known to work"],
};

const edgesOf = (services, markOf = () => "") =>
  services.flatMap((service) => service.needs.map((need) => ({ from: service.id, to: need, mark: `${service.resilient.includes(need) ? "resilient" : ""} ${markOf(service.id, need)}` })));

class Editor extends Component {
  render({ model, change, refused }, { chosen }) {
    const { services } = model;
    const byId = namesById(services);
    const wrong = blamed(Object.values(byId), sentencesOf(refused));
    const setServices = (found) => change({ ...model, services: found.map((each) => ({ ...each, resilient: each.resilient.filter((need) => each.needs.includes(need)) })) });
    const choose = (id) => this.setState({ chosen: id });
    const add = () => {
      const service = newItem(freeName(services, "service"), { state: "silent", resilient: [] });
      setServices([...services, service]);
      choose(service.id);
    };
    const service = services.find(({ id }) => id === chosen);
    const noteOf = ({ state, needs }) => `${STATES[state]}${needs.length ? `, needs ${needs.map((need) => byId[need]).join(", ")}` : ""}`;
    return html`
      <div class="said"><p class="fine">An arrow goes from a service to what it needs; a dashed one to what it survives without.</p>
        <button type="button" onClick=${add}>Add a service</button></div>
      <${GraphView} name="services" label="Services, what each needs, and which alert" selected=${chosen} select=${choose}
        connect=${(from, to) => setServices(toggled(services, to, from))}
        nodes=${services.map((each) => ({ id: each.id, label: each.name, note: noteOf(each), badge: BADGES[each.state], mark: `${each.state} ${wrong.has(each.name) ? "wrong" : ""}` }))}
        edges=${edgesOf(services)} />
      <p class="legend"><span class="alerting">alerts</span><span class="healthy">known to work</span><span>says nothing</span></p>
      <${ItemFields} items=${services} id=${chosen} noun="service" change=${setServices} close=${() => choose(null)}
        tagOf=${(need) => service?.resilient.includes(need) && html`<em>survives</em>`}>
        ${service && html`
          <fieldset class="wide"><legend>State</legend><div class="states">${Object.entries(STATES).map(([state, words]) => html`
            <label><input type="radio" name="state" checked=${service.state === state} onChange=${() => setServices(changed(services, chosen, { state }))} /><span>${words}</span></label>`)}</div></fieldset>
          ${service.needs.length > 0 && html`<fieldset class="wide"><legend>Survives without</legend><div class="survives">${service.needs.map((need) => html`
            <label class="check"><input type="checkbox" checked=${service.resilient.includes(need)} onChange=${() => setServices(changed(services, chosen, { resilient: flipped(service.resilient, need) }))} /> ${byId[need]}</label>`)}</div></fieldset>`}`}
      <//>
      <details class="options"><summary>What an explanation costs</summary><div class="fields">
        ${Object.entries(WEIGHTS).map(([name, [usual, words]]) => html`<label class="field"><span>${words}</span>
          <input type="text" inputmode="decimal" placeholder=${usual} value=${own(model.weights, name) ?? ""} onInput=${(event) => change({ ...model, weights: { ...model.weights, [name]: event.target.value.trim() } })} /></label>`)}
      </div></details>`;
  }
}

const flipped = (list, item) => (list.includes(item) ? list.filter((other) => other !== item) : [...list, item]);

function Answer({ context, solution, before, violations }) {
  const model = read(context);
  const causes = new Set(solution.root_causes);
  const marks = { false: new Set(solution.false_alerts), missing: new Set(solution.missing_alerts) };
  const on = Object.values(solution.explained).flatMap((path) => path.slice(1).map((service, number) => `${service}>${path[number]}`));
  const paths = new Set(on);
  const wrong = blamed(model ? model.services.map(({ name }) => name) : [], violations);
  const changedCauses = new Set(before ? [...causes, ...before.root_causes].filter((name) => causes.has(name) !== before.root_causes.includes(name)) : []);
  const markOf = ({ name, state }) => [causes.has(name) ? "cause" : own(solution.explained, name) ? "explained" : marks.false.has(name) ? "false" : marks.missing.has(name) ? "missing" : state === "healthy" ? "healthy" : "",
    wrong.has(name) && "wrong", changedCauses.has(name) && "changed"].filter(Boolean).join(" ");
  const noteOf = ({ name }) => [causes.has(name) && "at fault", own(solution.explained, name) && "its alert is explained", marks.false.has(name) && "its alert looks false", marks.missing.has(name) && "should alert and does not"].filter(Boolean).join(", ");
  const byId = model ? namesById(model.services) : {};
  const other = solution.runner_up;
  return html`
    <p class="total">${causes.size ? html`At fault: <strong>${[...causes].join(", ")}</strong>` : html`<strong>Nothing broke</strong>: the alerts look false`}, at a cost of ${solution.cost}</p>
    ${model && html`
      <${GraphView} name="explained" label="The explanation"
        nodes=${model.services.map((each) => ({ id: each.id, label: each.name, note: noteOf(each), mark: markOf(each), badge: causes.has(each.name) ? "✕" : BADGES[each.state] }))}
        edges=${edgesOf(model.services, (from, to) => (paths.has(`${byId[from]}>${byId[to]}`) ? "hot" : "dim"))} />
      <p class="legend"><span class="cause">at fault</span><span class="explained">alert explained</span><span class="false">alert looks false</span><span class="missing">should alert, does not</span><span class="changed">changed in this step</span>${wrong.size > 0 && html`<span class="wrong">breaks a rule</span>`}</p>`}
    <dl class="explanation">
      ${Object.entries(solution.explained).map(([alert, path]) => html`<div><dt>${alert}</dt><dd>${path.length > 1 ? path.join(" → ") : "is at fault itself"}</dd></div>`)}
      ${solution.false_alerts.map((alert) => html`<div><dt>${alert}</dt><dd>looks false</dd></div>`)}
      ${solution.missing_alerts.map((name) => html`<div><dt>${name}</dt><dd>should alert and does not</dd></div>`)}
      ${solution.unknown_alerts.length > 0 && html`<div><dt>Left aside</dt><dd>${solution.unknown_alerts.join(", ")}: no service of the graph</dd></div>`}
      <div><dt>Next best</dt><dd>${other.root_causes.join(", ") || "nothing broke"}, which costs ${Number(other.costs_more.toFixed(2))} more</dd></div>
    </dl>`;
}

function read({ services, alerts, healthy = [], weights = {}, ...others }) {
  if (Object.keys(others).length || typeof services !== "object" || services === null || Array.isArray(services)) return null;
  const areNames = (list) => Array.isArray(list) && list.every((name) => typeof name === "string");
  if (!areNames(alerts ?? []) || !areNames(healthy) || typeof weights !== "object" || weights === null) return null;
  const listed = [];
  for (const [name, value] of Object.entries(services)) {
    const { depends_on: needs = [], resilient = [], ...more } = Array.isArray(value) ? { depends_on: value } : (value ?? {});
    if (Object.keys(more).length || !areNames(needs) || !areNames(resilient)) return null;
    listed.push([name, needs, { resilient }]);
  }
  const items = itemsOf(listed, (name) => newItem(name, { resilient: [] }));
  if (!items) return null;
  const ids = Object.fromEntries(items.map(({ id, name }) => [name, id]));
  const stateOf = (name) => ((alerts ?? []).includes(name) ? "alerting" : healthy.includes(name) ? "healthy" : "silent");
  if (![...(alerts ?? []), ...healthy].every((name) => Object.hasOwn(ids, name))) return null; // an alert of nobody in the graph
  return {
    services: items.map((item) => ({ ...item, state: stateOf(item.name), resilient: item.resilient.map((name) => ids[name]) })),
    weights: Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, String(weight)])),
  };
}

function write({ services, weights }) {
  const byId = namesById(services);
  const named = (ids) => ids.map((id) => byId[id]);
  const inState = (state) => services.filter((service) => service.state === state).map(({ name }) => name);
  const given = Object.entries(weights).filter(([, weight]) => weight !== "");
  return {
    services: Object.fromEntries(services.map(({ name, needs, resilient }) => [name, resilient.length ? { depends_on: named(needs), resilient: named(resilient) } : named(needs)])),
    alerts: inState("alerting"),
    ...(inState("healthy").length ? { healthy: inState("healthy") } : {}),
    ...(given.length ? { weights: Object.fromEntries(given.map(([name, weight]) => [name, Number.isFinite(Number(weight)) ? Number(weight) : weight])) } : {}),
  };
}

/** Services in layers, one or two faults that spread to all who need them, an alert that is missing here and a false one there. */
function random(generator, count) {
  const known = names(generator, count);
  const layers = Math.min(5, 2 + Math.floor(count / 5));
  const layer = known.map((_, number) => Math.floor((number / count) * layers));
  const services = Object.fromEntries(known.map((name, number) => {
    const next = known.filter((_, other) => layer[other] === layer[number] + 1);
    const deeper = known.filter((_, other) => layer[other] > layer[number] + 1 && generator() < 0.1);
    return [name, next.length ? [...new Set([pick(generator, next), ...next.filter(() => generator() < 0.25), ...deeper])] : []];
  }));
  const faults = new Set([pick(generator, known.slice(Math.floor(count / 3)))]);
  if (generator() < 0.5) faults.add(known[below(generator, count)]);
  const failing = new Set(faults);
  for (let before = -1; before < failing.size; ) {
    before = failing.size;
    for (const name of known) if (services[name].some((need) => failing.has(need))) failing.add(name);
  }
  const alerts = known.filter((name) => (failing.has(name) ? generator() > 0.15 : generator() < 0.06));
  const healthy = known.filter((name) => !failing.has(name) && !alerts.includes(name) && generator() < 0.25);
  return { context: { services, alerts: alerts.length ? alerts : [...faults], ...(healthy.length ? { healthy } : {}) }, question: "What broke?" };
}

export default {
  title: "Root cause",
  noun: "Service map",
  sizes: [8, 14, 24].map((size) => ({ size, label: `${size} services` })),
  matches: (context) => "alerts" in context || "edges" in context,
  read,
  write,
  check: ({ services }) => wrongNames(services, "service"),
  objective: (value) => `This explanation costs ${value}`,
  random,
  Editor,
  Answer,
};
