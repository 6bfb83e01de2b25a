// Clusters that have room for what is to run on them: workloads are cut out of nodes, so that one way to place them is known.
import { below, names, pick, shuffled } from "../random.js";

const TYPES = [[4, 16], [8, 32], [16, 64]]; // cores, Gi
const OBJECTIVES = [["consolidate", "On how few nodes can these run?"], ["spread", "How can these be spread evenly?"], ["fewest_moves", "How can the node be drained with the fewest moves?"]];

export function random(generator, count) {
  const [cpu, memory] = pick(generator, TYPES);
  const inUse = Math.max(2, Math.round(count / 3.2));
  const nodes = Array.from({ length: inUse + Math.max(1, Math.round(inUse / 3)) }, (_, number) => ({ name: `node-${number + 1}`, cpu, memory: `${memory}Gi` }));
  const called = shuffled(generator, names(generator, count));
  const home = called.map((_, number) => number % inUse);
  const workloads = called.map((name) => ({ name }));
  for (let node = 0; node < inUse; node++) {
    const here = workloads.filter((_, number) => home[number] === node);
    const fill = 0.72 + generator() * 0.24;
    split(generator, here.length, (cpu * fill * 1000) / 50).forEach((share, number) => (here[number].cpu = `${share * 50}m`));
    split(generator, here.length, (memory * fill * 1024) / 128).forEach((share, number) => (here[number].memory = `${share * 128}Mi`));
  }
  const [objective, question] = pick(generator, OBJECTIVES);
  // Where all runs by now: as it was cut out, but under other numbers.
  const order = shuffled(generator, nodes.map(({ name }) => name));
  if (objective === "fewest_moves" || generator() < 0.5) workloads.forEach((workload, number) => (workload.node = order[home[number]]));
  const drain = objective === "fewest_moves" ? { drain: [order[below(generator, inUse)]] } : {};
  return { context: { nodes, workloads: shuffled(generator, workloads), objective, ...drain }, question };
}

/** `whole` as `count` whole numbers, each at least 1. */
function split(generator, count, whole) {
  const weights = Array.from({ length: count }, () => 0.3 + generator());
  const sum = weights.reduce((one, other) => one + other, 0);
  return weights.map((weight) => Math.max(1, Math.floor((weight / sum) * whole)));
}
