"""The schedule that is done soonest within limits, by CP-SAT: for labels, evaluations and tests, never for answers.

`ortools` is needed for this only, and is no requirement of the service.
"""

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.tasks.schedule import Limits


def soonest(limits: Limits, effort: float = 10.0, seed: int = 0) -> tuple[list[int], bool]:
    """When each step starts, and whether that is proven to be the best. `effort`: about
    seconds, counted so that the same question gets the same answer on any machine."""
    best = limits.by_critical_path()
    if limits.done(best) <= limits.bound:
        return best, True
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise ConfigurationError(
            "Labels of rollouts with limits need ortools, which is in requirements-dev.txt."
        ) from None

    durations, horizon = limits.durations, limits.done(best)
    model = cp_model.CpModel()
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
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = effort
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return best, False
    return [solver.value(start) for start in starts], status == cp_model.OPTIMAL
