// The problem that is being edited: a task's own editor works on its `model`, everything else on text.
import { editorOf, EDITORS } from "./tasks/index.js";
import { anySeed, generator } from "./random.js";
import { decode, encode, LONGEST } from "./share.js";
import { say, state, update } from "./store.js";
import { format, parse } from "./text.js";

const OPTIONS = { samples: "", maxSteps: "", seed: 0, modelOnly: false };
const SHARE_AFTER_MS = 400;

export const current = () => state.drafts[state.task];
export const summaryOf = (name) => state.tasks.find((task) => task.name === name);

/** A draft of a context; in the text form where the task's editor cannot show it. */
export function draftOf(name, context, question, options = {}) {
  const model = editorOf(name).read?.(context) ?? null;
  return { ...OPTIONS, ...options, question, model, mode: model ? "editor" : "text", text: format(context), error: null };
}

export function choose(name) {
  if (!state.drafts[name]) loadExample(name);
  update({ task: name, run: null });
  rememberInLocation();
}

export function loadExample(name = state.task) {
  const { example } = summaryOf(name);
  put(name, draftOf(name, example.context, example.question));
}

export function loadRandom(size, seed = anySeed()) {
  const { context, question } = editorOf(state.task).random(generator(seed), size);
  put(state.task, draftOf(state.task, context, question ?? summaryOf(state.task).example.question, optionsOf(current())));
}

/** Changes fields of the current draft. */
export function edit(change) {
  put(state.task, { ...current(), error: null, ...change });
}

function put(name, draft) {
  update({ drafts: { ...state.drafts, [name]: draft } });
  rememberInLocation();
}

const optionsOf = (draft) => Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, draft[name]]));

/** The draft's context. Throws a sentence that says what to mend. */
export async function contextOf(draft, name = state.task) {
  if (draft.mode === "text") return wholeOf(await parse(draft.text)).context;
  const wrong = editorOf(name).check?.(draft.model);
  if (wrong) throw new Error(wrong);
  return editorOf(name).write(draft.model);
}

/** Text may hold a whole request: then its context is the problem. */
function wholeOf(data) {
  const isRequest = typeof data.context === "object" && data.context !== null && !Array.isArray(data.context);
  return isRequest ? { context: data.context, question: typeof data.question === "string" ? data.question : null } : { context: data, question: null };
}

export async function toText() {
  const draft = current();
  edit({ mode: "text", text: format(editorOf(state.task).write(draft.model)) });
}

/** From text to the editor: to another task's, where what was pasted is plainly another task's problem. */
export async function toEditor() {
  const draft = current();
  let whole;
  try {
    whole = wholeOf(await parse(draft.text));
  } catch (error) {
    edit({ error: error.message });
    return;
  }
  const name = taskOf(whole.context);
  const found = draftOf(name, whole.context, whole.question ?? (name === state.task ? draft.question : summaryOf(name).example.question), optionsOf(draft));
  if (found.model === null) {
    edit({ error: editorOf(name).write
      ? "The editor cannot show this form of the problem. It is sent as it stands here: run it."
      : "This task has no editor of its own yet: its problems are text. Run it." });
    return;
  }
  if (name !== state.task) {
    update({ task: name, run: null });
    say(`This is a problem for ${name}, so that was chosen.`);
  }
  put(name, found);
}

/** The task that a context is for, by its shape; the chosen one in doubt. */
function taskOf(context) {
  const chosen = EDITORS[state.task];
  if (!chosen || chosen.matches(context)) return state.task;
  const fitting = state.tasks.filter(({ name }) => EDITORS[name]?.matches(context));
  return fitting.length === 1 ? fitting[0].name : state.task;
}

/** Text that was pasted or opened, in place of the problem. */
export async function loadText(text) {
  edit({ mode: "text", text });
  await toEditor();
}

export async function requestOf(draft, name = state.task) {
  const context = await contextOf(draft, name);
  if (!draft.question.trim()) throw new Error("Say in the question what is wanted; a few words are enough.");
  return {
    question: draft.question,
    task: name,
    context,
    seed: draft.seed,
    ...(draft.samples === "" ? {} : { samples: draft.samples }),
    ...(draft.maxSteps === "" ? {} : { max_steps: draft.maxSteps }),
    ...(draft.modelOnly ? { source_policy: "model" } : {}),
  };
}

// The problem in the address.

let remembering = 0;
let written = "";

function rememberInLocation() {
  clearTimeout(remembering);
  remembering = setTimeout(async () => {
    const fragment = await fragmentOf(current());
    written = fragment.length <= LONGEST ? `#${fragment}` : "";
    history.replaceState(null, "", written || location.pathname + location.search);
  }, SHARE_AFTER_MS);
}

async function fragmentOf(draft) {
  const { question } = draft;
  const problem = draft.mode === "text" ? { text: draft.text } : { context: editorOf(state.task).write(draft.model) };
  const changed = Object.entries(optionsOf(draft)).filter(([name, value]) => value !== OPTIONS[name]);
  return encode({ task: state.task, question, ...problem, ...(changed.length ? { options: Object.fromEntries(changed) } : {}) });
}

export async function copyLink() {
  const fragment = await fragmentOf(current());
  if (fragment.length > LONGEST) {
    say(`This problem is too large for a link (${Math.ceil(fragment.length / 1000)} kB, at most ${LONGEST / 1000}): share it as a file.`);
    return;
  }
  written = `#${fragment}`;
  history.replaceState(null, "", written);
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied. Whoever opens it finds this problem.");
  } catch {
    say("The link is in the address bar: copy it from there.");
  }
}

/** Takes the problem from the address; false where there is none, or none that can be read (which is said). */
export async function loadFromLocation() {
  if (location.hash.length < 2 || location.hash === written) return false;
  try {
    const shared = await decode(location.hash.slice(1));
    if (!summaryOf(shared.task)) throw new Error(`The link is for a task named ${shared.task.slice(0, 40)}, which this service does not have.`);
    const options = cleanOptions(shared.options ?? {});
    const question = typeof shared.question === "string" ? shared.question : summaryOf(shared.task).example.question;
    const draft = typeof shared.text === "string"
      ? { ...draftOf(shared.task, {}, question, options), mode: "text", text: shared.text }
      : draftOf(shared.task, shared.context ?? {}, question, options);
    update({ task: shared.task, drafts: { ...state.drafts, [shared.task]: draft }, run: null });
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}

/** A link is somebody else's: only options of the right kind are taken from it. */
function cleanOptions(options) {
  const whole = (value, least, most) => Number.isInteger(value) && value >= least && value <= most;
  return {
    samples: whole(options.samples, 1, 64) ? options.samples : OPTIONS.samples,
    maxSteps: whole(options.maxSteps, 1, 64) ? options.maxSteps : OPTIONS.maxSteps,
    seed: whole(options.seed, 0, Number.MAX_SAFE_INTEGER) ? options.seed : OPTIONS.seed,
    modelOnly: options.modelOnly === true,
  };
}
