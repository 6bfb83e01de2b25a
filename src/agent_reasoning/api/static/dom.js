// The one place that knows which library draws the page.
import { Component, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { Component, render };

/** Class names, of which those that are false, null or "" are left out. */
export const classes = (...names) => names.filter(Boolean).join(" ");
