import { fetchServed, fetchTasks } from "./api.js";
import { html, render } from "./dom.js";
import { choose, loadFromLocation } from "./problem.js";
import { isBusy, start, stop } from "./run.js";
import { onChange, state, update } from "./store.js";
import { App } from "./views/app.js";

onChange(() => render(html`<${App} ...${state} />`, document.getElementById("app")));

async function begin() {
  update({ failure: null });
  try {
    update({ tasks: await fetchTasks(), served: await fetchServed() });
  } catch (error) {
    update({ failure: { problem: error.problem ?? { title: "The page failed", detail: error.message }, again: begin } });
    return;
  }
  if (!(await loadFromLocation())) choose(state.tasks.some(({ name }) => name === "sudoku") ? "sudoku" : state.tasks[0].name);
}

addEventListener("hashchange", loadFromLocation);
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    start();
  } else if (event.key === "Escape" && isBusy(state.run)) {
    stop();
  }
});

begin();
