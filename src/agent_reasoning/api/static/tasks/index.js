/* The tasks' editors. To add one: write `tasks/<name>.js` and add its line to EDITORS; the page needs nothing else. Tasks
   that are not here work as well, with text for problems and data for answers (`generic.js`).

   An editor exports as its default:

     title, noun         what the task and its problem are called
     matches(context)    whether a context looks like this task's
     read(context)       the editor's model of it; null for a form that it cannot show
     write(model)        the context; `read` of it gives the model again
     check(model)        a sentence where the model cannot even be sent; null otherwise (optional)
     sizes, random(generator, size)    [{size, label}], and {context, question?}: a random instance
     objective(value, solution)    what an objective of `value` means, in words (where the task has one)
     Editor({model, change, refused})  refused: problem details of the last run, whose places may be marked
     Answer({context, solution, before, violations, verified})
                         before: the solution one step before; violations: the verifier's, for the final answer alone */

import generic from "./generic.js";
import maze from "./maze.js";
import placement from "./placement.js";
import rollout from "./rollout.js";
import rootCause from "./root_cause.js";
import sudoku from "./sudoku.js";

export const EDITORS = { sudoku, rollout, "root-cause": rootCause, placement, maze };

export const editorOf = (name) => (Object.hasOwn(EDITORS, name) ? EDITORS[name] : generic);
