"""The schedule that is done soonest within limits, by CP-SAT: for labels, evaluations and tests, never for answers."""

from agent_reasoning.tasks.cp_sat import new_model, solve
from agent_reasoning.tasks.schedule import Limits


def soonest(limits: Limits, effort: float = 10.0, seed: int = 0) -> tuple[list[int], bool]:
    """When each step starts, and whether that is proven to be the best. `effort`: see `cp_sat.solve`."""
    best = limits.by_critical_path()
    if limits.done(best) <= limits.bound:
        return best, True
    durations, horizon = limits.durations, limits.done(best)
    model = new_model()
    starts = [model.new_int_var(0, horizon, "") for _ in durations]
    end = model.new_int_var(limits.bound, horizon, "")
    runs = [model.new_fixed_size_interval_var(start, last, "") for start, last in zip(starts, durations, strict=True)]
    model.add_cumulative(runs, [1] * len(runs), limits.at_once)
    for step, needs in enumerate(limits.needs):
        model.add(end >= starts[step] + durations[step])
        for need in needs:
            model.add(starts[step] >= starts[need] + durations[need])
    for start, hint in zip(starts, best, strict=True):
        model.add_hint(start, hint)
    model.minimize(end)
    solver, proven = solve(model, effort, seed)
    return (best if solver is None else [solver.value(start) for start in starts]), proven
