// One run: from the request to the last step that is shown.
import { fetchSchema, Refused, reason } from "./api.js";
import { current, edit, requestOf } from "./problem.js";
import { say, state, update } from "./store.js";

// The service refines faster than anybody can watch: steps are shown one after the other, but nobody waits longer than this
// for an answer that has come.
const SHOW_ALL_WITHIN_MS = 2400;
const SLOWEST_MS = 260;
const LIVE_MS = 90;

/* A run: {phase, request, steps, sample, at, result, problem, since}.
   phase: "asking" (nothing has come yet), "refining" (steps come, or are still being shown), "done", "refused", "stopped"
   steps: as streamed, by sample; sample, at: which of them is shown; at counts from 0, and beyond the last step it is the
   answer, which need not be the last step: an earlier one, or the baseline, may have been better */

let controller = null;
let ticker = 0;

export const isBusy = (run) => run?.phase === "asking" || run?.phase === "refining";
const put = (change) => update({ run: { ...state.run, ...change } });

export async function start() {
  stop();
  const task = state.task;
  let request;
  try {
    request = await requestOf(current(), task);
  } catch (error) {
    update({ run: null });
    edit({ error: error.message });
    requestAnimationFrame(() => document.querySelector("[data-problem-error]")?.focus()); // once it is drawn
    return;
  }
  const mine = (controller = new AbortController());
  update({ run: { phase: "asking", request, steps: {}, sample: 0, at: -1, result: null, problem: null } });
  bringIntoView();
  try {
    for await (const { event, data } of reason(request, mine.signal)) {
      if (controller !== mine) return;
      if (event === "step") addStep(data);
      if (event === "result") put({ result: data });
    }
    show();
  } catch (error) {
    if (mine.signal.aborted || controller !== mine) return;
    clearInterval(ticker);
    const problem = error instanceof Refused ? error.problem : { title: "The page failed", detail: `${error.message} That is a fault of the playground.` };
    const schema = problem.errors ? await fetchSchema(task) : null;
    if (controller !== mine) return;
    put({ phase: "refused", problem: { ...problem, schema }, since: Date.now() });
    if (problem.retryAfter) countDown(problem.retryAfter);
  }
}

/** On a phone the answer is below the problem. */
function bringIntoView() {
  const answer = document.querySelector(".answer");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (answer.getBoundingClientRect().top > innerHeight * 0.8) answer.scrollIntoView({ behavior: still ? "auto" : "smooth" });
}

function addStep(step) {
  const { steps } = state.run;
  put({ phase: "refining", steps: { ...steps, [step.sample]: [...(steps[step.sample] ?? []), step] } });
  if (state.run.at >= 0) return;
  put({ sample: step.sample, at: 0, begun: performance.now() });
  play(LIVE_MS); // follows the steps as they come
}

/** Shows what has not been seen yet of the trajectory that gave the answer, then the answer. */
function show() {
  const { steps, result, sample: watched, at, begun } = state.run;
  const sample = answering(steps, result);
  const left = (steps[sample]?.length ?? 0) - (sample === watched ? at : 0);
  const seenEnough = performance.now() - begun > SHOW_ALL_WITHIN_MS;
  if (left < 2 || seenEnough || matchMedia("(prefers-reduced-motion: reduce)").matches) {
    finish(sample);
    return;
  }
  if (sample !== watched) put({ sample, at: 0 });
  play(Math.min(SLOWEST_MS, SHOW_ALL_WITHIN_MS / left), () => finish(sample));
}

export function replay() {
  const count = shownSteps(state.run).length;
  put({ at: 0 });
  play(Math.max(400, SHOW_ALL_WITHIN_MS / count), () => finish(state.run.sample));
}

/** From step to step; after the last one `then`, or whatever comes is waited for. */
function play(everyMs, then = null) {
  clearInterval(ticker);
  ticker = setInterval(() => {
    const { at } = state.run;
    if (at < shownSteps(state.run).length - 1) put({ at: at + 1 });
    else if (then) {
      clearInterval(ticker);
      then();
    }
  }, everyMs);
}

function finish(sample) {
  clearInterval(ticker);
  put({ phase: "done", sample, at: state.run.steps[sample]?.length ?? 0 });
}

/** Ends a run that goes on: the request is cancelled; where the answer is here already it is shown at once. */
export function stop() {
  clearInterval(ticker);
  const { run } = state;
  controller?.abort();
  controller = null;
  if (!isBusy(run)) return;
  if (run.result) finish(answering(run.steps, run.result));
  else {
    put({ phase: "stopped", at: Math.min(run.at, shownSteps(run).length - 1) });
    say("The request is cancelled.");
  }
}

export function showStep(at) {
  if (isBusy(state.run)) return;
  clearInterval(ticker);
  put({ at });
}

export function showSample(sample) {
  clearInterval(ticker);
  put({ sample, at: state.run.steps[sample].length - (isAnswering(state.run, sample) ? 0 : 1) });
}

export const isAnswering = (run, sample) => run.result !== null && answering(run.steps, run.result) === sample;

/** The number, from 0, of the step that has the result's solution; -1 where none of the shown ones has. */
export function answeringStep(run) {
  const { solution, source } = run.result;
  const same = (step) => Object.entries(step.solution).every(([name, value]) => JSON.stringify(value) === JSON.stringify(solution[name]));
  return source === "baseline" ? -1 : shownSteps(run).findLastIndex(same);
}

export const shownSteps = (run) => run.steps[run.sample] ?? [];

/** The sample whose steps are the result's trace. */
export function answering(steps, result) {
  const told = result.reasoning_trace;
  const same = (one, other) => one.confidence === other.confidence && one.intermediate_answer === other.intermediate_answer;
  const found = Object.entries(steps).find(([, list]) => list.length === told.length && list.every((step, number) => same(step, told[number])));
  return found ? Number(found[0]) : 0;
}

function countDown(seconds) {
  const { since } = state.run;
  const until = since + seconds * 1000;
  ticker = setInterval(() => {
    if (state.run?.since !== since || Date.now() >= until) clearInterval(ticker);
    update({});
  }, 500);
}

/** Whole seconds until a refused request may be sent again; 0 where it may now. */
export const secondsLeft = ({ problem, since }) => Math.max(0, Math.ceil((problem.retryAfter ?? 0) - (Date.now() - since) / 1000));
