// For every task without an editor of its own: problems are text, answers are shown as data.
import { html } from "../dom.js";

export default {
  Answer({ solution }) {
    return html`<pre class="data" tabindex="0">${readable(solution)}</pre>`;
  },
};

/** Grids and paths keep a line for each row. */
function readable(solution) {
  return JSON.stringify(solution, null, 2).replace(/\[\s+([^[\]{}]+?)\s+\]/g, (_, inner) => `[${inner.replace(/\s*\n\s*/g, " ")}]`);
}
