// The service, as this page uses it. Paths are relative, so that it works below a prefix, too.
import { key } from "./key.js";
import { createParser } from "./vendor/eventsource-parser.js";

/** What the service, or the network, refused; `problem` is RFC 9457's, with `retryAfter` in seconds where it says so. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export async function fetchTasks() {
  return (await send("tasks", { headers: { accept: "application/json" } })).json();
}

/** The names of the tasks that a model is loaded for; null where they cannot be had: a run will then say so. */
export async function fetchServed() {
  try {
    return new Set((await (await send("models", {})).json()).map(({ task }) => task));
  } catch {
    return null;
  }
}

/** The JSON Schema of a task's context; null where it cannot be had. */
export async function fetchSchema(name) {
  try {
    return (await (await send(`tasks/${encodeURIComponent(name)}`, {})).json()).context_schema;
  } catch {
    return null; // it would only have made an error clearer
  }
}

/** Yields {event, data} for each refinement step ("step"), then for the "result". Throws Refused; AbortError where `signal` ends it. */
export async function* reason(request, signal) {
  const response = await send("reason", {
    method: "POST",
    headers: { accept: "text/event-stream", "content-type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  const events = [];
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event, data: JSON.parse(data) }) });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw signal.aborted ? error : brokenOff();
    });
    if (done) throw brokenOff();
    parser.feed(value);
    for (const event of events.splice(0)) {
      if (event.event === "error") throw new Refused(event.data);
      yield event;
      if (event.event === "result") return;
    }
  }
}

async function send(path, options) {
  let response;
  const headers = key() === null ? options.headers : { ...options.headers, authorization: `Bearer ${key()}` };
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused({ title: "The service cannot be reached", detail: "No answer came. Is it running, and are you still online? Nothing was lost: try again when it is back." });
  }
  if (!response.ok) throw new Refused(await problemIn(response));
  return response;
}

async function problemIn(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  try {
    const problem = await response.json();
    if (problem.title) return { ...problem, retryAfter };
  } catch {
    // Not ours: something between here and the service answered.
  }
  return { title: `The answer was ${response.status} ${response.statusText}`.trim(), status: response.status, retryAfter, detail: "It did not come from the service itself, but from something between here and there (a proxy or a gateway)." };
}

const brokenOff = () => new Refused({ title: "The answer broke off", detail: "The connection ended before the result. The service may be restarting; the same request can be sent again." });
