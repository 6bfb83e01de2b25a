// What can be said of one item of a graph: its name and what it needs; `children`: what its task adds.
import { html } from "../dom.js";
import { changed, namesById, toggled, without } from "./items.js";

export function ItemFields({ items, id, noun, change, close, tagOf, children }) {
  const item = items.find((each) => each.id === id);
  if (!item) return html`<p class="fine">Choose a ${noun} to change it. With a mouse, drag from one to another to say that the one it is dragged to needs the other.</p>`;
  const names = namesById(items);
  const open = items.filter((other) => other.id !== id && !item.needs.includes(other.id));
  const add = (event) => {
    if (event.target.value) change(toggled(items, id, event.target.value));
    event.target.value = "";
  };
  const remove = () => {
    change(without(items, id));
    close();
  };
  return html`
    <fieldset class="item"><legend>${item.name || `Unnamed ${noun}`}</legend>
      <div class="fields">
        <label class="field"><span>Name</span><input type="text" value=${item.name} maxlength="253" onInput=${(event) => change(changed(items, id, { name: event.target.value }))} /></label>
        ${children}
      </div>
      <div class="needs"><span>Needs</span>
        ${item.needs.map((need) => html`<span class="chip" key=${need}>${tagOf?.(need)}${names[need]}
          <button type="button" aria-label=${`${item.name} no longer needs ${names[need]}`} onClick=${() => change(toggled(items, id, need))}>×</button></span>`)}
        ${!item.needs.length && html`<span class="fine">nothing</span>`}
        <label><span class="hidden">Add what ${item.name} needs</span>
          <select onChange=${add}><option value="">add …</option>${open.map((other) => html`<option value=${other.id}>${other.name}</option>`)}</select></label>
      </div>
      <div class="tools"><button type="button" onClick=${close}>Done</button><button type="button" class="danger" onClick=${remove}>Delete this ${noun}</button></div>
    </fieldset>`;
}
