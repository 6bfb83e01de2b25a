// All that the page shows follows from one object. Whoever changes it says so, and the page is drawn before the next event is heard: with the next
// frame would be too late, since what is typed or clicked until then would start from what is drawn, and undo the change.

export const state = {
  tasks: [], // as GET /tasks lists them
  served: null, // the names of those that a model is loaded for; null where that is not known
  failure: null, // why they could not be had
  task: null, // the chosen one's name
  drafts: {}, // task name -> the problem as it is being edited (see problem.js)
  run: null, // the run that is shown (see run.js)
  said: "", // for screen readers, and as a passing note
};

let draw = () => {};
let due = false;

export function onChange(callback) {
  draw = callback;
}

export function update(change) {
  Object.assign(state, change);
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    draw();
  });
}

let silence = 0;

/** A sentence for everybody, gone after a while. */
export function say(said) {
  update({ said });
  clearTimeout(silence);
  silence = setTimeout(() => update({ said: "" }), 4000);
}
