// A problem in the URL's fragment, which no server sees: "v1." and deflated JSON as base64url; "v0." where nothing deflates.

export const LONGEST = 60_000; // characters; chat programs and some browsers cut longer addresses
const MOST = 1_048_576; // bytes after inflating; the service reads no more either

/** The fragment without its "#". */
export async function encode(shared) {
  const bytes = new TextEncoder().encode(JSON.stringify(shared));
  if (typeof CompressionStream === "undefined") return `v0.${toBase64(bytes)}`;
  return `v1.${toBase64(await through(bytes, new CompressionStream("deflate-raw")))}`;
}

/** Throws a sentence for the reader where the fragment is no problem of ours. */
export async function decode(fragment) {
  const [version, text] = [fragment.slice(0, 3), fragment.slice(3)];
  if (version !== "v0." && version !== "v1.") throw new Error("The link holds no problem that this version can read.");
  try {
    const bytes = fromBase64(text);
    const plain = version === "v0." ? bytes : await through(bytes, new DecompressionStream("deflate-raw"));
    const shared = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    if (typeof shared !== "object" || shared === null || typeof shared.task !== "string") throw new Error("not an object with a task");
    return shared;
  } catch {
    throw new Error("The link is damaged: perhaps it was cut when it was copied. Ask for it once more.");
  }
}

async function through(bytes, transform) {
  const chunks = [];
  let size = 0;
  for await (const chunk of chunksOf(new Blob([bytes]).stream().pipeThrough(transform))) {
    chunks.push(chunk);
    if ((size += chunk.length) > MOST) throw new Error("too large");
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function* chunksOf(stream) {
  const reader = stream.getReader(); // not every browser iterates a stream by itself
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    reader.cancel().catch(() => {}); // it may have failed already, which has been told
  }
}

function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const fromBase64 = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
