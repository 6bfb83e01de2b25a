// Names in problems are anybody's: a service may be called "constructor", which every object seems to have.

export const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
