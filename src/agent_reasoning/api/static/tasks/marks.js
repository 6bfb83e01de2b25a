// Which things of a problem the verifier's, or an error's, sentences are about.

const special = /[.*+?^${}()|[\]\\]/g;

/** Of `names` those that stand in one of `sentences`, as a whole. */
export function blamed(names, sentences) {
  const text = sentences.join("\n");
  const stands = (name) => new RegExp(`(^|[^\\w-])${name.replace(special, "\\$&")}($|[^\\w-])`, "m").test(text);
  return new Set(text ? names.filter((name) => name && stands(name)) : []);
}

/** The sentences of problem details. */
export const sentencesOf = (problem) => (problem ? [problem.detail ?? ""] : []);
