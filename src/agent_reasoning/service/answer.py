"""From what the engine found to what a caller reads: who found the answer, and the answer and its trace in words."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from agent_reasoning.engine.job import Outcome, StepRecord
from agent_reasoning.problem import Problem, Verdict
from agent_reasoning.schemas import Source, TraceStep
from agent_reasoning.tasks import Choice, Parts, Search, Solution, Task, verdict_on


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has become a problem."""

    task: Task[Any]
    instance: Any
    problem: Problem | None
    """None where it is looked at in parts."""
    parts: Parts | None
    remarks: tuple[str, ...]

    def search(self) -> Search | None:
        return self.task.search(self.instance)

    def verify(self, choice: Choice) -> Verdict:
        return verdict_on(self.task, self.instance, choice)


@dataclass(frozen=True, slots=True)
class Answer:
    """A solution, what the verifier said of it, and who found it."""

    solution: Solution
    verdict: Verdict
    source: Source


def choose(prepared: Prepared, outcome: Outcome, *, allow_baseline: bool) -> Answer:
    """The model's answer, or the baseline's where that is allowed and strictly better; ties go to the model. A search in parts has
    started from the baseline."""
    found = outcome.answer
    ours = Answer(prepared.task.decode(prepared.instance, found.choice), found.verdict, "model")
    if prepared.parts is not None:
        better = _cost(found.verdict) < _cost(outcome.records[0].verdict)
        return _complete(prepared, replace(ours, source="improved" if better else "baseline"))
    solution = prepared.task.baseline(prepared.instance) if allow_baseline and not found.verdict.optimal else None
    if solution is None:
        return _complete(prepared, ours)
    theirs = Answer(solution, prepared.task.verify(prepared.instance, solution), "baseline")
    return _complete(prepared, theirs if _cost(theirs.verdict) < _cost(ours.verdict) else ours)


def _complete(prepared: Prepared, answer: Answer) -> Answer:
    """With what goes with it, of which the verdict has to hold as well."""
    solution = prepared.task.complete(prepared.instance, answer.solution)
    if solution is answer.solution:
        return answer
    return Answer(solution, prepared.task.verify(prepared.instance, solution), answer.source)


def _cost(verdict: Verdict) -> tuple[bool, float]:
    return not verdict.valid, verdict.objective or 0.0


def confidence_in(verdict: Verdict, outcome: Outcome) -> float:
    """0 when nothing verified, 1 when proven best, else the model's probability that its answer is the best."""
    if not verdict.valid:
        return 0.0
    return 1.0 if verdict.optimal else outcome.answer.confidence


def in_words(prepared: Prepared, answer: Answer, steps: int) -> str:
    words = prepared.task.describe(prepared.instance, answer.solution)
    if not answer.verdict.valid:
        count = len(answer.verdict.violations)
        first = " ".join(answer.verdict.violations[:3])
        words = (
            f"Not verified: {steps} steps found no valid answer. The last one breaks {count} rules: {first}\n{words}"
        )
    return "\n".join([words, *prepared.remarks])


def trace(prepared: Prepared, records: Iterable[StepRecord]) -> list[TraceStep]:
    steps: list[TraceStep] = []
    before = None
    for number, record in enumerate(records, 1):
        steps.append(TraceStep(**step_fields(prepared, number, record, before)))
        before = record
    return steps


def step_fields(prepared: Prepared, number: int, record: StepRecord, before: StepRecord | None) -> dict[str, Any]:
    """A step as the trace tells it; `before`: the step before it of the same trajectory."""
    changed = len(record.choice) if before is None else int(np.sum(before.choice != record.choice))
    solution = prepared.task.decode(prepared.instance, record.choice)
    return {
        "step": number,
        "confidence": round(record.confidence, 4),
        "intermediate_answer": prepared.task.brief(prepared.instance, solution),
        "changed": changed,
        "verified": record.verdict.valid,
        "narrowing": record.narrowing and asdict(record.narrowing),
    }
