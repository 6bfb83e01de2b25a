"""CP-SAT, as labels, evaluations and tests use it; never for answers.

`ortools` is needed for this only, and is no requirement of the service.
"""

from typing import Any

from agent_reasoning.errors import ConfigurationError


def new_model() -> Any:  # ortools' types are its own
    """Raises ConfigurationError where ortools is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise ConfigurationError("Exact solutions need ortools, which is in requirements-dev.txt.") from None
    return cp_model.CpModel()


def solve(model: Any, effort: float, seed: int) -> tuple[Any | None, bool]:
    """The solver that holds the best solution it found, None where it found none; and whether that is proven: the best, or that
    there is none. `effort`: about seconds, counted so that the same question gets the same answer on any machine."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = effort
    status = solver.solve(model)
    found = solver if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None
    return found, status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
