// Before the first paint, or a dark page would flash white: this is why it is no module.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Where nothing may be stored the system's own theme is taken.
}
