// Amounts as Kubernetes writes them, for drawing how full a node is. What they mean the service decides.

const FACTORS = {
  "": 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50,
};

/** "500m" as 0.5, "8Gi" as bytes; null for "" and for what is no amount. */
export function amountOf(text) {
  const match = /^(\d+(?:\.\d*)?|\.\d+)([a-zA-Z]*)$/.exec(String(text).trim());
  return match && Object.hasOwn(FACTORS, match[2]) ? Number(match[1]) * FACTORS[match[2]] : null;
}

/** A number where a text is one, as JSON would have it; the text otherwise. */
export const plain = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
