import { html } from "../dom.js";
import { copyLink, edit, loadExample, loadRandom, loadText, toEditor, toText } from "../problem.js";
import { isBusy, start, stop } from "../run.js";
import { editorOf } from "../tasks/index.js";

export function ProblemPanel({ task, draft, run, served }) {
  const editor = editorOf(task.name);
  const refused = run?.phase === "refused" ? run.problem : null;
  return html`
    <section class="panel" id="problem" tabindex="-1" aria-labelledby="problem-title">
      <div class="bar">
        <h2 id="problem-title">Problem</h2>
        <div class="tools">
          <button type="button" onClick=${() => loadExample()}>Example</button>
          ${editor.random && html`<${Random} editor=${editor} />`}
          <button type="button" onClick=${copyLink}>Copy link</button>
        </div>
      </div>
      <p class="fine">${task.summary}</p>
      ${!served && html`<p class="note">This service has loaded no model for this task, so it cannot solve it. What you set here can be edited and shared.</p>`}
      <form onSubmit=${submit}>
        <div class="ask">
          <label class="field"><span>Question</span>
            <input type="text" value=${draft.question} maxlength="4096" onInput=${(event) => edit({ question: event.target.value })} /></label>
          ${isBusy(run)
            ? html`<button type="button" class="primary stop" onClick=${stop}>${run.result ? "Skip" : "Cancel"}</button>`
            : html`<button type="submit" class="primary">Run</button>`}
        </div>
        ${draft.error && html`<p class="problem" role="alert" tabindex="-1" data-problem-error>${draft.error}</p>`}
        ${editor.read && html`
          <fieldset class="modes"><legend class="hidden">Edit as</legend>
            <label><input type="radio" name="mode" checked=${draft.mode === "editor"} onChange=${toEditor} /><span>${editor.noun}</span></label>
            <label><input type="radio" name="mode" checked=${draft.mode === "text"} onChange=${toText} /><span>JSON or YAML</span></label>
          </fieldset>`}
        ${draft.mode === "editor"
          ? html`<${editor.Editor} model=${draft.model} change=${(model) => edit({ model })} refused=${refused} />`
          : html`<${TextEditor} draft=${draft} />`}
        <${Options} draft=${draft} />
        <p class="fine keys"><kbd>Ctrl</kbd> <kbd>Enter</kbd> runs, <kbd>Esc</kbd> cancels.</p>
      </form>
    </section>`;
}

function submit(event) {
  event.preventDefault();
  start();
}

function Random({ editor }) {
  const load = (event) => {
    if (event.target.value) loadRandom(Number(event.target.value));
    event.target.value = "";
  };
  // One control: choosing a size makes an instance; a second choice of the same size makes another.
  return html`<label class="random"><span class="hidden">Random instance</span>
    <select onChange=${load}><option value="">Random …</option>${editor.sizes.map(({ size, label }) => html`<option value=${size}>${label}</option>`)}</select></label>`;
}

function TextEditor({ draft }) {
  const open = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) await loadText(await file.text());
  };
  return html`
    <label class="field"><span>The problem as JSON or YAML</span>
      <textarea rows="16" spellcheck="false" autocapitalize="off" autocomplete="off" value=${draft.text}
        onInput=${(event) => edit({ text: event.target.value })}></textarea></label>
    <label class="open">Open a file … <input type="file" accept=".json,.yaml,.yml,.txt,application/json" onChange=${open} /></label>`;
}

function Options({ draft }) {
  const whole = (field, least, most, empty) => (event) => {
    const number = event.target.valueAsNumber;
    if (Number.isInteger(number) && number >= least && number <= most) edit({ [field]: number });
    else if (event.target.value === "" && empty !== undefined) edit({ [field]: empty });
  };
  return html`
    <details class="options"><summary>Options</summary>
      <div class="fields">
        <label class="field"><span>Samples</span><input type="number" min="1" max="64" placeholder="model's" value=${draft.samples} onInput=${whole("samples", 1, 64, "")} /></label>
        <label class="field"><span>Most steps</span><input type="number" min="1" max="64" placeholder="model's" value=${draft.maxSteps} onInput=${whole("maxSteps", 1, 64, "")} /></label>
        <label class="field"><span>Seed</span><input type="number" min="0" value=${draft.seed} onInput=${whole("seed", 0, Number.MAX_SAFE_INTEGER)} /></label>
        <label class="check"><input type="checkbox" checked=${draft.modelOnly} onChange=${(event) => edit({ modelOnly: event.target.checked })} /> The model alone, without a baseline</label>
      </div>
      <p class="fine">Samples are further tries, as many as the model is set to where this is empty; the verifier picks among them. The same request with the same seed gets the same answer.</p>
    </details>`;
}
