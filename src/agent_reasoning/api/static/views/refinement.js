import { html } from "../dom.js";
import { answeringStep, isAnswering, isBusy, replay, showSample, showStep, shownSteps } from "../run.js";
import { percent } from "./answer.js";

const [HEIGHT, LEFT, BOTTOM, TOP] = [150, 48, 24, 10];
const narrow = matchMedia("(max-width: 46rem)");

/** Each step: the confidence curve, what changed, and a way back to the answers in between. */
export function Refinement({ run }) {
  const steps = shownSteps(run);
  const step = steps[run.at];
  const last = steps.length + (isAnswering(run, run.sample) ? 1 : 0);
  const samples = Object.keys(run.steps).map(Number);
  const busy = isBusy(run);
  const deduces = steps.some((one) => one.narrowing);
  return html`
    <div class="refinement">
      <div class="bar">
        <h3>Refinement</h3>
        ${samples.length > 1 && !busy && html`<label class="inline">Sample
          <select value=${run.sample} onChange=${(event) => showSample(Number(event.target.value))}>
            ${samples.map((sample) => html`<option value=${sample} selected=${sample === run.sample}>${nameOf(sample, run)}</option>`)}</select></label>`}
        ${!busy && steps.length > 1 && html`<button type="button" onClick=${replay}>Replay</button>`}
      </div>
      <${Curve} run=${run} />
      <label class="scrub"><span>${step ? `Step ${run.at + 1} of ${steps.length}` : "The answer"}</span>
        <input type="range" min="1" max=${last} value=${run.at + 1} disabled=${busy || last < 2}
          aria-valuetext=${step ? `Step ${run.at + 1}, confidence ${percent(step.confidence)}` : "The answer"}
          onInput=${(event) => showStep(event.target.valueAsNumber - 1)} /></label>
      ${step
        ? html`<p class="step"><span class=${step.verified ? "tag good" : "tag"}>${step.verified ? "verifies" : "does not verify"}</span>${" "}
            Confidence ${percent(step.confidence)}${run.at > 0 ? `, ${changes(step.changed)} since the step before` : ", the first answer"}.${step.narrowing && ` ${narrowed(step.narrowing)}`}</p>`
        : html`<p class="step">${origin(run)}</p>`}
      <details class="words"><summary>All steps as a table</summary>
        <div class="scroll" tabindex="0" role="region" aria-label="All steps">
          <table><thead><tr><th scope="col">Step</th><th scope="col">Confidence</th>${deduces && html`<th scope="col">Deduction</th>`}<th scope="col">Changed</th><th scope="col">Verifies</th><th scope="col">Answer</th></tr></thead>
            <tbody>${steps.map((one, number) => html`
              <tr class=${number === run.at ? "shown" : ""}><td>${one.step}</td><td>${percent(one.confidence)}</td>${deduces && html`<td class="deduced">${inWords(one.narrowing)}</td>`}<td>${one.changed}</td><td>${one.verified ? "yes" : "no"}</td><td class="brief">${one.intermediate_answer}</td></tr>`)}</tbody></table>
        </div></details>
    </div>`;
}

const changes = (count) => (count === 0 ? "nothing changed" : `${count} ${count === 1 ? "place" : "places"} changed`);

const NARROWED = {
  narrowed: ({ removed }) => `${removed} ${removed === 1 ? "candidate" : "candidates"} removed`,
  guessed: () => "guessed",
  dead_end: () => "dead end, went back",
};

/** What a step of a model that deduces came to. */
const inWords = (narrowing) => narrowing && (NARROWED[narrowing.event]?.(narrowing) ?? narrowing.event);

const narrowed = (narrowing) => `Deduction: ${inWords(narrowing)}; ${narrowing.undecided} undecided${narrowing.depth ? `, below ${narrowing.depth} ${narrowing.depth === 1 ? "guess" : "guesses"}` : ""}.`;

/** Where the answer that is shown comes from. */
function origin(run) {
  const number = answeringStep(run);
  if (run.result.source === "baseline") return "The baseline's answer: no step of the model came to a better one. Move the slider to see them.";
  if (number < 0) return "Completed from the steps above; move the slider to see them.";
  return `As step ${number + 1} had it. Move the slider to see how it came about.`;
}

function nameOf(sample, run) {
  const name = sample === 0 ? "1 (without noise)" : String(sample + 1);
  return isAnswering(run, sample) ? `${name}: the answer` : name;
}

function Curve({ run }) {
  const steps = shownSteps(run);
  const WIDTH = narrow.matches ? 340 : 560;
  const longest = Math.max(...Object.values(run.steps).map((list) => list.length));
  const x = (number) => LEFT + (longest > 1 ? number / (longest - 1) : 0.5) * (WIDTH - LEFT - 12);
  const y = (confidence) => TOP + (1 - confidence) * (HEIGHT - TOP - BOTTOM);
  const line = (list) => list.map((step, number) => `${x(number).toFixed(1)},${y(step.confidence).toFixed(1)}`).join(" ");
  const now = run.at < steps.length ? run.at : answeringStep(run);
  const seen = steps.slice(0, run.at + 1);
  const others = Object.entries(run.steps).filter(([sample]) => Number(sample) !== run.sample);
  const marks = [...new Set([0, Math.floor((longest - 1) / 2), longest - 1])];
  return html`
    <svg class="curve" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${said(steps)}>
      ${[0, 0.5, 1].map((level) => html`<line class="grid" x1=${LEFT} x2=${WIDTH - 12} y1=${y(level)} y2=${y(level)} />
        <text x=${LEFT - 6} y=${y(level) + 4} text-anchor="end">${level * 100} %</text>`)}
      ${marks.map((number) => html`<text x=${x(number)} y=${HEIGHT - 6} text-anchor="middle">${number + 1}</text>`)}
      ${others.map(([sample, list]) => html`<polyline key=${sample} class="other" points=${line(list)} />`)}
      <polyline class="rest" points=${line(steps)} />
      <polyline class="seen" points=${line(seen)} />
      ${steps.map((step, number) => html`<circle class=${step.verified ? "good" : ""} cx=${x(number)} cy=${y(step.confidence)} r=${number === now ? 6 : 3}
        onClick=${() => showStep(number)}><title>${`Step ${number + 1}: ${percent(step.confidence)}`}</title></circle>`)}
    </svg>`;
}

function said(steps) {
  const [first, last] = [steps[0], steps.at(-1)];
  return `Confidence by step: ${percent(first.confidence)} at the first of ${steps.length}, ${percent(last.confidence)} at the last.`;
}
