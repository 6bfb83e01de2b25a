"""A model beside its rivals on the same instances: alone, with samples, and as it is served, with the task's baseline; and
beside itself with other weights or another noise, where that is asked for."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.model import Model
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.trajectories import InstanceSets
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import Labelled, Solution, Task, is_best, to_reach, verdict_on

SAMPLES = (1, 8, 16)
SERVED = 8  # with so many a model is shown as it is served, too
Found = Mapping[str, Sequence[tuple[Verdict, float]]]  # who -> a verdict and seconds for each instance
NOBODY: Mapping[str, Model] = {}


@dataclass(frozen=True, slots=True)
class Compared:
    """Who solved how many of a set of instances."""

    instances_of: str
    instances: int
    who: str
    verified: float
    best: float
    """Verified, and with an objective as good as the best that is known: to the labels, or to any who were compared."""
    proven: float
    """And proven to be the best by the verifier's bound."""
    mean_milliseconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    task: Task[Any],
    model: Model,
    sets: InstanceSets,
    observe: Callable[[str, int], None] = lambda what, count: None,
    *,
    beside: Mapping[str, Model] = NOBODY,
    samples: Sequence[int] = SAMPLES,
) -> list[Compared]:
    """A line for each set and contestant, of which `beside` names more that search as the model does. Milliseconds are
    those of one problem after another on one core."""
    lines = []
    models = {"model": model, **beside}
    with ExitStack() as stack:
        engines = {who: stack.enter_context(_serving(each)) for who, each in models.items()}
        for name, items in sets.items():
            found_by: dict[str, list[tuple[Verdict, float]]] = {}
            for who, count in ((who, count) for who in models for count in samples):
                found = [_refined(engines[who], task, models[who], item, count) for item in items]
                with_samples = f"{count} sample{'s'[: count > 1]}"
                found_by[f"{who}, {with_samples}"] = found
                observe(f"{name}, {who}, {with_samples}", len(items))
                if models[who] is model and count == SERVED and task.baseline(items[0].instance) is not None:
                    simple = [timed(task, task.baseline, item) for item in items]
                    served = [_better(one, other) for one, other in zip(found, simple, strict=True)]
                    found_by[f"as served, {with_samples}"] = served
            for who, rival in RIVALS.get(task.info.name, {}).items():
                found_by[who] = [timed(task, rival, item) for item in items]
            known = best_known([to_reach(task, item) for item in items], found_by)
            lines += [_line(name, who, found, known) for who, found in found_by.items()]
    return lines


@contextmanager
def _serving(model: Model) -> Iterator[Engine]:
    engine = Engine([model], workers=1)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def _refined(engine: Engine, task: Task[Any], model: Model, item: Labelled[Any], samples: int) -> tuple[Verdict, float]:
    item = afresh(item)
    begun = time.perf_counter()
    outcome = engine.submit(
        engine.arrange(task.info.name, task.encode(item.instance)),
        partial(verdict_on, task, item.instance),
        max_steps=model.max_steps,
        samples=samples,
        seed=0,
        timeout_seconds=600.0,
        search=task.search(item.instance),
    ).result()
    return outcome.answer.verdict, time.perf_counter() - begun


def afresh(item: Labelled[Any]) -> Labelled[Any]:
    """Without what its instance has worked out and kept, which the next contestant would be spared."""
    return replace(item, instance=replace(item.instance))


def timed(task: Task[Any], solve: Callable[[Any], Solution | None], item: Labelled[Any]) -> tuple[Verdict, float]:
    item = afresh(item)
    begun = time.perf_counter()
    solution = solve(item.instance)
    seconds = time.perf_counter() - begun
    verdict = Verdict(False, ("It finds nothing.",)) if solution is None else task.verify(item.instance, solution)
    return verdict, seconds


def _better(one: tuple[Verdict, float], other: tuple[Verdict, float]) -> tuple[Verdict, float]:
    """The service's choice: ties go to the model. It takes the time of both."""
    costs = [(not verdict.valid, verdict.objective or 0.0) for verdict, _ in (one, other)]
    return (other if costs[1] < costs[0] else one)[0], one[1] + other[1]


def best_known(labels: Sequence[float | None], found_by: Found) -> list[float | None]:
    """For each instance the least that a label, or anybody, has come to: labels need not be the best."""
    known = list(labels)
    for found in found_by.values():
        for number, (verdict, _) in enumerate(found):
            before = known[number]
            if verdict.valid and verdict.objective is not None and before is not None:
                known[number] = min(before, verdict.objective)
    return known


def _line(name: str, who: str, found: Sequence[tuple[Verdict, float]], known: list[float | None]) -> Compared:
    verdicts, count = [verdict for verdict, _ in found], len(found)
    return Compared(
        name, count, who,
        verified=sum(verdict.valid for verdict in verdicts) / count,
        best=sum(is_best(verdict, best) for verdict, best in zip(verdicts, known, strict=True)) / count,
        proven=sum(verdict.optimal for verdict in verdicts) / count,
        mean_milliseconds=sum(seconds for _, seconds in found) / count * 1000,
    )  # fmt: skip
