// Problems as text: JSON or YAML, one document or several.

export const format = (context) => JSON.stringify(context, null, 2);

/** The object that a text holds. Throws a sentence that says where it goes wrong. */
export async function parse(text) {
  if (!text.trim()) throw new Error("There is nothing here yet: paste JSON or YAML, or load the example.");
  let jsonError;
  try {
    return anObject(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    jsonError = error;
  }
  const yaml = await import("./vendor/js-yaml.js"); // large, and few need it
  let documents;
  try {
    documents = yaml.loadAll(text).filter((document) => document !== null && document !== undefined);
  } catch (error) {
    // What begins with a bracket was meant as JSON, and that parser's words are the better ones.
    if (/^\s*[{[]/.test(text)) throw new Error(`This is neither JSON nor YAML: ${whereJson(jsonError, text)}`, { cause: error });
    const place = error.mark ? ` (line ${error.mark.line + 1}, column ${error.mark.column + 1})` : "";
    throw new Error(`This is neither JSON nor YAML: ${error.reason ?? error.message}${place}.`, { cause: error });
  }
  return documents.length === 1 ? anObject(documents[0]) : { documents: documents.map(anObject) };
}

function whereJson(error, text) {
  const position = Number(/position (\d+)/.exec(error.message)?.[1]);
  if (!Number.isInteger(position)) return `${error.message}.`;
  const lines = text.slice(0, position).split("\n");
  const what = error.message.replace(/ in JSON at position.*$/, "");
  return `${what} at line ${lines.length}, column ${lines.at(-1).length + 1}.`;
}

function anObject(value) {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  const found = Array.isArray(value) ? "a list" : `only ${JSON.stringify(value)?.slice(0, 40) ?? "nothing"}`;
  throw new Error(`A problem is an object with named fields; this is ${found}.`);
}
