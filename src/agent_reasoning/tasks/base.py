"""What a task is: one module that turns a context into a `Problem` and an answer back into words.

The rest of the system knows tasks by this protocol alone. `Instance` is whatever the task made of a context.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from agent_reasoning.problem import Problem, ProblemSpec, Verdict

Instance = TypeVar("Instance")
Choice = NDArray[np.int64]  # [L] the candidate that an answer picks for each cell
Solution = dict[str, Any]
NEGLIGIBLE = 1e-6  # between sums in another order


@dataclass(frozen=True, slots=True)
class Recipe:
    """As what, and how, a task's model is trained where nobody says otherwise."""

    method: str = "recursion"
    """*recursion*: answers are refined, and learnt from labels (`training.loop`); *deduction*: candidates are removed, learnt on
    the states of own searches (`training.deduction`); *waves*: recursion with targets on the way (`training.waves`);
    *refits*: an answer is held, and learnt from better ones that own searches find (`training.refits`)."""
    hidden: int = 32
    H_cycles: int = 2
    L_cycles: int = 2
    supervision_steps: int = 8
    """By recursion the most that a batch gets; each batch draws from 1 to this."""
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    max_steps: int = 16
    """The bundle's own limit of refinement steps."""
    samples: int = 8
    """Trajectories of a request that does not say: as many as are worth their time."""
    noise: float = 0.3
    """Standard deviation of the noise of all samples but the first; chosen on held-out instances."""
    halting: Mapping[str, float] = field(default_factory=dict)
    """When to stop, and when samples join: the fields of `engine.halting.Halting`; likewise."""
    weighs_evidence: bool = False
    """Whether answers above the bound are believed by all the evidence and not by the head's logit alone: where bounds are
    often missed by the best answer, too."""
    deduction: Mapping[str, float] = field(default_factory=dict)
    """How candidates are removed: the fields of `engine.deduction.Policy`; likewise."""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What callers see of a task, and what the network's shape follows from."""

    name: str
    task_type: str
    summary: str
    """One sentence: what it answers."""
    example_question: str
    example_context: Mapping[str, Any]
    spec: ProblemSpec
    sizes: tuple[int, ...]
    """Problem sizes that evaluation reports, in `size_unit`."""
    size_unit: str
    training_sizes: tuple[int, int]
    """The smallest and the largest size that training draws from."""
    recipe: Recipe = field(default_factory=Recipe)
    other_recipes: tuple[Recipe, ...] = ()
    """Other ways to train it, for comparison."""
    words: tuple[str, ...] = ()
    """What words begin with in a question that asks for this task, where the context could be another's, too."""
    published_vocabulary: int | None = None
    """How many tokens the published encoding of this task has; a checkpoint with as many serves it."""


class Task(Protocol[Instance]):
    info: TaskInfo
    Context: type[BaseModel]
    """The task's own form; its JSON Schema is served at /tasks/{name}. `read` may take foreign forms as well."""

    def matches(self, context: Mapping[str, Any]) -> bool:
        """Whether a context has this task's shape. Looks at the shape only: contents are for `read`."""
        ...

    def from_text(self, text: str) -> dict[str, Any] | None:
        """The context that plain text stands for, as people write this task's problems down; None where it is no such text.
        Raises InvalidContext where it can be nothing else and is broken. For the command line: over HTTP a context is JSON."""
        return None

    def read(self, context: Mapping[str, Any], question: str = "") -> Instance:
        """`question` picks the objective, where there are several. Raises InvalidContext, naming what is wrong and where."""
        ...

    def encode(self, instance: Instance) -> Problem: ...

    def decode(self, instance: Instance, choice: Choice) -> Solution:
        """The answer as the caller's data; undone by `choice_of`."""
        ...

    def choice_of(self, instance: Instance, solution: Solution) -> Choice:
        """The choice that `decode` turns into this solution. Raises ValueError if there is none."""
        ...

    def complete(self, instance: Instance, solution: Solution) -> Solution:
        """With all that callers get beside what was searched for; asked for the answer alone. It is verified again."""
        return solution

    def search(self, instance: Instance) -> "Search | None":
        """How answers are made of what a network says, for tasks whose spec `holds`."""
        return None

    def parts(self, instance: Instance, seed: int) -> "Parts | None":
        """How an instance that is too large to be looked at whole is divided; None for one that is not. It is never encoded."""
        return None

    def verify(self, instance: Instance, solution: Solution) -> Verdict:
        """Exact, and independent of encode, decode, generate and every network. Any solution gets a verdict."""
        ...

    def describe(self, instance: Instance, solution: Solution) -> str:
        """The answer in words, without a claim about its validity: the service adds that."""
        ...

    def brief(self, instance: Instance, solution: Solution) -> str:
        """One line, for an intermediate answer in the trace."""
        ...

    def baseline(self, instance: Instance) -> Solution | None:
        """What a simple polynomial heuristic answers; None where the task has none."""
        ...

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any] | None:
        """A random problem of `size` (in `info.size_unit`) that can be solved, in the task's own form, without an answer: for
        trying the task out. It needs no exact solver, as `generate` may. None where the task has only its example."""
        return None

    def generate(self, rng: np.random.Generator, size: int) -> "Labelled[Instance]":
        """A random instance with an exact answer; a pure function of `rng` and `size` (in `info.size_unit`)."""
        ...


class Search(Protocol):
    """Makes an instance's next answer of the one that is held and what a network says of it. Only the network says what is tried;
    the search draws from that, and keeps to the rules."""

    def first(self) -> Choice:
        """[L] what is held before the first step; -1 where nothing is."""
        ...

    def next(self, held: Choice, logits: NDArray[np.float32], rng: np.random.Generator) -> Choice:
        """[L] what is held after a step; -1 where nothing is. `logits` [L, V] are the network's of what was held."""
        ...


class Parts(Protocol):
    """A problem that is too large to be looked at whole: what it is divided into, again and again, and where the answer stands."""

    @property
    def choice(self) -> Choice:
        """Where it stands. Valid, if the start was."""
        ...

    @property
    def exhausted(self) -> bool:
        """Nothing is left to try."""
        ...

    def start(self) -> Choice:
        """By the task's baseline. Where it is not valid, nothing can be improved."""
        ...

    def next(self) -> Any | None:
        """A part that may get better by itself, whatever becomes of those that are out; None where there is none now."""
        ...

    def problem(self, part: Any) -> tuple[Any, Search]:
        """The part as an instance of the same task, and its search."""
        ...

    def take(self, part: Any, found: Choice | None) -> bool:
        """A valid answer to a part that was out, or None where there is none. True where it is better than what there was."""
        ...


def verdict_on(task: Task[Instance], instance: Instance, choice: Choice) -> Verdict:
    """What the task's verifier says of the solution that a choice means."""
    return task.verify(instance, task.decode(instance, choice))


@dataclass(frozen=True, slots=True)
class Labelled(Generic[Instance]):
    """A random instance and its answer."""

    instance: Instance
    choice: Choice
    alternatives: tuple[Choice, ...] = ()
    """Other answers that are just as good. Training takes whichever is nearest to what the network says."""
    objective: float | None = None
    """The best that is known, where the choice, being coarser, may not reach it."""
    alike: tuple[tuple[int, ...], ...] = ()
    """Sets of candidates that are interchangeable: swap two in an answer, and it is as good."""
    kind: str = ""
    """What tells it from others of its size, where a task's problems are of several kinds."""


def to_reach(task: Task[Instance], item: Labelled[Instance]) -> float | None:
    """The best objective that is known; None where validity is all."""
    return item.objective if item.objective is not None else verdict_on(task, item.instance, item.choice).objective


def is_best(verdict: Verdict, known: float | None) -> bool:
    """Valid, and where there is an objective as good as the one that is known."""
    as_good = known is None or verdict.objective is None or verdict.objective <= known + NEGLIGIBLE
    return verdict.valid and as_good
