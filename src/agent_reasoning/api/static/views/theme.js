import { html } from "../dom.js";
import { update } from "../store.js";

const root = document.documentElement;
const isDark = () => root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

function toggle() {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // It then holds for this visit alone.
  }
  update({});
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update({}));

export function ThemeButton() {
  const other = isDark() ? "light" : "dark";
  return html`<button type="button" class="plain" onClick=${toggle} aria-label=${`Switch to the ${other} theme`} title=${`Switch to the ${other} theme`}>
    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
      ${isDark()
        ? html`<circle cx="10" cy="10" r="4" fill="currentColor" /><path d="M10 1v3M10 16v3M1 10h3M16 10h3M3.6 3.6l2.1 2.1M14.3 14.3l2.1 2.1M16.4 3.6l-2.1 2.1M5.7 14.3l-2.1 2.1" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" />`
        : html`<path d="M17 12.4A7.4 7.4 0 0 1 7.6 3a7.4 7.4 0 1 0 9.4 9.4Z" fill="currentColor" />`}
    </svg>
  </button>`;
}
