// Which things of a problem the verifier's, or an error's, sentences are about.

const special = /[.*+?^${}()|[\]\\]/g;

/** Of `names` those that stand in one of `sentences`, as a whole. */
export function blamed(names, sentences) {
  const text = sentences.join("\n");
  const stands = (name) => new RegExp(`(^|[^\\w-])${name.replace(special, "\\$&")}($|[^\\w-])`, "m").test(text);
  return new Set(text ? names.filter((name) => name && stands(name)) : []);
}

/** What problem details say that names things: their lists of them, else their words; nothing where they name fields, which are
    marked as such. */
export function sentencesOf(problem) {
  if (!problem || problem.errors) return [];
  const listed = ["steps", "services", "nodes", "workloads"].flatMap((list) => problem[list] ?? []);
  return listed.length ? listed.map(String) : [problem.detail ?? ""];
}
