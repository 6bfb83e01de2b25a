// The API key, where the service wants one. Kept until the tab is closed, and sent to this service alone: never in the address.
const NAME = "api-key";
let kept = null; // where nothing may be stored: until the page is left

export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? kept;
  } catch {
    return kept;
  }
}

/** null forgets it. */
export function keep(given) {
  kept = given;
  try {
    if (given === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, given);
  } catch {
    // It then holds for this page alone.
  }
}
