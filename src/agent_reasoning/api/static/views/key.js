import { html } from "../dom.js";
import { keep, key } from "../key.js";
import { say } from "../store.js";

/** Asks for the key that a service wanted, then does `again` what was refused. */
export function KeyForm({ again }) {
  const use = (event) => {
    event.preventDefault();
    keep(new FormData(event.currentTarget).get("key").trim());
    again();
  };
  return html`
    <form class="key" onSubmit=${use}>
      <label class="field"><span>API key</span>
        <input type="password" name="key" required pattern="\\s*[!-~]+\\s*" title="A key has neither spaces nor other letters than those of ASCII" autocomplete="off" spellcheck="false" /></label>
      <button type="submit" class="primary">Use this key</button>
      <p class="fine">Whoever runs this service hands out keys. This tab keeps it until it is closed; it is sent to this service alone, and is not in the link.</p>
    </form>`;
}

export function ForgetKey() {
  const forget = () => {
    keep(null);
    say("The key is forgotten.");
  };
  return key() === null ? null : html`<button type="button" class="link" onClick=${forget}>Forget the key</button>`;
}
