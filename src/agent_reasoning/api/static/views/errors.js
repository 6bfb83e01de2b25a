import { html } from "../dom.js";
import { secondsLeft } from "../run.js";
import { KeyForm } from "./key.js";

const ADVICE = {
  "rate-limited": "You, or others behind the same address, sent more than this service lets one client send.",
  overloaded: "Others are being served at the moment, and the queue is full.",
  "not-ready": "This replica is starting or ending; another one will answer.",
  "model-missing": "The operator of this service has loaded no model for the task. Others may work.",
  "deadline-exceeded": "The service was too busy to begin in time.",
  "body-too-large": "Ask for a part of the problem.",
};

// The validator names which of several forms it tried; for a reader they are one place.
const isForm = (part) => /^(constrained-|function-|tagged-union|(list|dict|tuple)\[|(str|int|float|bool|list|dict|count|kubectl)$)/.test(part);

/** [{where, what: [sentence, …]}]: each place once, with all that may be done about it. */
function placesIn(problem) {
  const found = new Map();
  for (const { where, what } of Array.isArray(problem.errors) ? problem.errors : []) {
    const place = where.split(".").filter((part) => !isForm(part)).join(".");
    found.set(place, [...new Set([...(found.get(place) ?? []), what])]);
  }
  return [...found].map(([where, what]) => ({ where, what }));
}

/** What the task's schema says of the field, where it does. */
function hintOf(where, schema) {
  const field = schema?.properties?.[where.split(".")[0]];
  const words = [field?.description, ...(field?.anyOf ?? []).map(({ description }) => description)].filter(Boolean);
  return words.length ? html`<span class="hint">It takes ${words.join("; or ")}.</span>` : null;
}

/** Problem details (RFC 9457) for people: what was wrong, where, and what to do. */
export function Problem({ problem, since, again }) {
  const code = problem.type?.split(":").at(-1);
  const wait = since ? secondsLeft({ problem, since }) : 0;
  const places = placesIn(problem);
  const waits = problem.retryAfter || (problem.status ?? 503) >= 500;
  return html`
    <div class="problem" role="alert">
      <h3>${problem.title}</h3>
      ${places.length ? html`<ul class="places">${places.map(({ where, what }) => html`<li><code>${where}</code> ${what.join("; or: ")}.${hintOf(where, problem.schema)}</li>`)}</ul>` : html`<p>${problem.detail}</p>`}
      ${problem.candidates && html`<p>It could be: ${problem.candidates.join(", ")}.</p>`}
      ${ADVICE[code] && html`<p>${ADVICE[code]}</p>`}
      ${code === "unauthenticated" && html`<${KeyForm} again=${again} />`}
      ${waits && again && html`<p><button type="button" onClick=${again} disabled=${wait > 0}>Try again</button> ${wait > 0 && html`<span>in ${wait} s</span>`}</p>`}
      ${problem.request_id && html`<p class="fine">Request <code>${problem.request_id}</code>; the service's log has it under this name.</p>`}
    </div>`;
}
