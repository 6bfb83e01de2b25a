// Things that need each other, as they are edited: by id, so that a name may be typed letter by letter, or twice.
// items: [{id, name, needs: [id], …}]

let last = 0;
export const newItem = (name, fields = {}) => ({ id: String(++last), name, needs: [], ...fields });

/** From [[name, names it needs, further fields]]; `missing(name)` makes those that are needed and not listed. Null where
    two have the same name, or a need is unknown and nothing makes it. */
export function itemsOf(listed, missing = null) {
  const items = listed.map(([name, , fields]) => newItem(name, fields));
  const byName = new Map(items.map((item) => [item.name, item]));
  if (byName.size < items.length) return null;
  for (const [name, needs] of listed) {
    for (const need of needs) {
      if (typeof need !== "string") return null;
      if (!byName.has(need)) {
        if (!missing) return null;
        const made = missing(need);
        byName.set(need, made);
        items.push(made);
      }
      byName.get(name).needs.push(byName.get(need).id);
    }
  }
  return items;
}

export const namesById = (items) => Object.fromEntries(items.map(({ id, name }) => [id, name]));

export const changed = (items, id, change) => items.map((item) => (item.id === id ? { ...item, ...change } : item));

export const without = (items, id) => items.filter((item) => item.id !== id).map((item) => ({ ...item, needs: item.needs.filter((need) => need !== id) }));

export function toggled(items, id, need) {
  const { needs } = items.find((item) => item.id === id);
  return changed(items, id, { needs: needs.includes(need) ? needs.filter((other) => other !== need) : [...needs, need] });
}

/** A name that nothing has yet. */
export function freeName(items, noun) {
  const taken = new Set(items.map(({ name }) => name));
  for (let number = items.length + 1; ; number++) if (!taken.has(`${noun}-${number}`)) return `${noun}-${number}`;
}

/** A sentence where the names cannot be sent; null otherwise. */
export function wrongNames(items, noun) {
  if (!items.length) return `There is no ${noun}: add at least one.`;
  const names = items.map(({ name }) => name.trim());
  if (names.includes("")) return `A ${noun} has no name.`;
  const twice = names.find((name, number) => names.indexOf(name) < number);
  return twice === undefined ? null : `Two ${noun}s are named ${twice}: rename one.`;
}
