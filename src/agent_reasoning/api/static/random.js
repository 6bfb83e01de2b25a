// Random problems are made here in the page: the service has no exact solver to make them with, and no work with it.

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0];
export const below = (random, count) => Math.floor(random() * count);
export const pick = (random, list) => list[below(random, list.length)];

export function shuffled(random, list) {
  const found = [...list];
  for (let end = found.length - 1; end > 0; end--) {
    const other = below(random, end + 1);
    [found[end], found[other]] = [found[other], found[end]];
  }
  return found;
}

const NAMES = {
  front: ["web", "mobile", "admin", "checkout", "portal", "gateway", "docs", "status"],
  middle: [
    "api", "auth", "billing", "cart", "catalog", "search", "orders", "payments", "profile", "pricing", "mail", "notify",
    "reports", "inventory", "shipping", "sessions", "images", "feeds", "ranking", "audit", "exports", "webhooks", "scheduler", "tax",
  ],
  back: ["database", "cache", "queue", "storage", "vault", "dns", "ledger", "index", "metrics", "logs"],
};

/** `count` names, those of front ends first and those of stores last. */
export function names(random, count) {
  const front = Math.max(1, Math.round(count * 0.2));
  const back = Math.max(1, Math.round(count * 0.25));
  const middle = Math.max(0, count - front - back);
  const take = (from, number) => shuffled(random, from).slice(0, number);
  const found = [...take(NAMES.front, front), ...take(NAMES.middle, middle), ...take(NAMES.back, back)];
  for (let number = 2; found.length < count; number++) found.splice(front, 0, `worker-${number}`);
  return found.slice(0, count);
}
