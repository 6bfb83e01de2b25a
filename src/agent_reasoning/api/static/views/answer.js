import { html } from "../dom.js";
import { isBusy, shownSteps, start } from "../run.js";
import { editorOf } from "../tasks/index.js";
import { Problem } from "./errors.js";
import { Refinement } from "./refinement.js";

const MOST_NAMED = 20; // violations that the service lists
const HALTED = {
  confident: "It stopped because this answer is valid and believed to be the best.",
  no_improvement: "It stopped because further steps brought nothing better.",
  same_answer: "It stopped because the model insisted on an answer that the verifier refused.",
  max_steps: "It stopped at the most steps that it was given.",
  deadline: "It stopped at the deadline, with the best that it had.",
};

export function AnswerPanel({ run }) {
  return html`
    <section class="panel answer" aria-labelledby="answer-title">
      <h2 id="answer-title">Answer</h2>
      <div role="status" class="verdict-place">${run && html`<${Verdict} run=${run} />`}</div>
      ${!run && html`<div class="empty"><p>Nothing has been asked yet.</p><p>Press <strong>Run</strong>, and the answer is refined here, step by step.</p></div>`}
      ${run?.phase === "refused" && html`<${Problem} problem=${run.problem} since=${run.since} again=${start} />`}
      ${run && shownSteps(run).length > 0 && html`<${Refined} run=${run} />`}
    </section>`;
}

function Refined({ run }) {
  const steps = shownSteps(run);
  const step = steps[run.at];
  const answer = step ? null : run.result;
  const { Answer } = editorOf(run.request.task);
  return html`
    <${Answer} context=${run.request.context} solution=${answer ? answer.solution : step.solution}
      before=${answer ? null : steps[run.at - 1]?.solution} violations=${answer?.violations ?? []} verified=${answer ? answer.verified : step.verified} />
    ${answer?.violations.length > 0 && html`
      <div class="violations"><h3>What the verifier found wrong</h3><ul tabindex="0">${answer.violations.map((violation) => html`<li>${violation}</li>`)}</ul></div>`}
    <${Refinement} run=${run} />
    ${answer && html`<details class="words"><summary>In words</summary><pre tabindex="0">${answer.answer}</pre></details>
      <details class="words"><summary>The whole response as JSON</summary><pre tabindex="0">${JSON.stringify(answer, null, 2)}</pre></details>`}`;
}

function Verdict({ run }) {
  const { phase, result } = run;
  if (phase === "asking") return html`<div class="verdict busy"><strong>Asking …</strong></div>`;
  if (phase === "stopped") return html`<div class="verdict off"><strong>Cancelled</strong><span>The service has stopped working on it.</span></div>`;
  if (phase === "refused") return null;
  // Said once, not at every step: a screen reader would never end.
  if (isBusy(run)) return html`<div class="verdict busy"><strong>Refining …</strong></div>`;
  const kind = result.verified ? "good" : "bad";
  return html`
    <div class=${`verdict ${kind}`}>
      <strong>${titleOf(result)}</strong>
      <span>${[...objectiveOf(result), foundBy(result), haltedBy(result)].join(" ")}</span>
      <dl class="facts">
        <div><dt>Found by</dt><dd>${result.source}</dd></div>
        <div><dt>Confidence</dt><dd>${percent(result.confidence)}</dd></div>
        <div><dt>Steps</dt><dd>${result.steps}</dd></div>
        <div><dt>Took</dt><dd>${result.duration_ms < 10 ? result.duration_ms.toFixed(1) : Math.round(result.duration_ms)} ms</dd></div>
      </dl>
    </div>`;
}

function titleOf({ verified, optimal, violations }) {
  if (verified) return optimal ? "Verified, and proven the best" : "Verified";
  if (violations.length === 1) return "Not verified: one rule is broken";
  return `Not verified: ${violations.length >= MOST_NAMED ? "at least " : ""}${violations.length} rules are broken`;
}

function objectiveOf({ task, verified, objective, bound, optimal, solution }) {
  if (!verified || objective === null || objective === undefined) return [];
  const number = (value) => Number(value.toFixed(3));
  const what = (editorOf(task).objective ?? ((value) => `It comes to ${value}`))(number(objective), solution);
  if (optimal) return [`${what}, and nothing better is possible.`];
  return [`${what}; whether better is possible is open${bound === null ? "" : ` (nothing below ${number(bound)} is)`}.`];
}

function haltedBy({ halted_by: why, optimal }) {
  if (why === "verified") return optimal === null ? "It stopped because the verifier found nothing wrong." : "It stopped because nothing can beat this answer.";
  return HALTED[why] ?? `It stopped: ${why}.`;
}

function foundBy({ source, verified }) {
  if (!verified) return `No answer that verifies was found; this is the ${source === "baseline" ? "baseline" : "model"}'s.`;
  if (source === "baseline") return "The baseline, a simple heuristic, found it: the model did worse.";
  if (source === "improved") return "The model found it, starting from the baseline's answer.";
  return "The model found it.";
}

export const percent = (share) => `${Math.round(share * 100)} %`;
