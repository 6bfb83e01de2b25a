import { html } from "../dom.js";
import { choose } from "../problem.js";
import { EDITORS } from "../tasks/index.js";
import { AnswerPanel } from "./answer.js";
import { Problem } from "./errors.js";
import { ForgetKey } from "./key.js";
import { ProblemPanel } from "./problem.js";
import { ThemeButton } from "./theme.js";

export function App({ tasks, served, failure, task, drafts, run, said }) {
  return html`
    <a class="skip" href="#problem" onClick=${skip}>Skip to the problem</a>
    <header class="top">
      <a class="brand" href="./"><img src="static/icon.svg" alt="" width="28" height="28" /><span>agent-reasoning</span></a>
      <nav aria-label="Elsewhere"><a href="docs">API</a><a href="models">Models</a><${ForgetKey} /><${ThemeButton} /></nav>
    </header>
    <main>
      <div class="intro">
        <h1>Playground</h1>
        <p>Set a problem, watch a tiny recursive model refine its answer step by step, and see what an exact verifier says of it.</p>
      </div>
      ${failure && html`<${Problem} problem=${failure.problem} again=${failure.again} />`}
      ${task && html`
        <fieldset class="tasks"><legend class="hidden">Task</legend>
          ${inOrder(tasks).map(({ name, task_type }) => html`
            <label key=${name} class=${name === task ? "chosen" : ""}>
              <input type="radio" name="task" value=${name} checked=${name === task} onChange=${() => choose(name)} />
              <strong>${EDITORS[name]?.title ?? name}</strong><small>${task_type}${isServed(served, name) ? "" : ", no model here"}</small>
            </label>`)}
        </fieldset>
        <div class="panels">
          <${ProblemPanel} key=${task} task=${tasks.find(({ name }) => name === task)} draft=${drafts[task]} run=${run} served=${isServed(served, task)} />
          <${AnswerPanel} run=${run} />
        </div>`}
    </main>
    <div class=${said ? "toast" : "toast quiet"} role="status">${said}</div>
  `;
}

const isServed = (served, name) => served === null || served.has(name);

/** As the editors are listed, then the others. */
const inOrder = (tasks) => {
  const rank = ({ name }) => (Object.hasOwn(EDITORS, name) ? Object.keys(EDITORS).indexOf(name) : Infinity);
  return tasks.toSorted((one, other) => rank(one) - rank(other) || 0);
};

// The fragment of the address belongs to the problem.
function skip(event) {
  event.preventDefault();
  document.getElementById("problem")?.focus();
}
