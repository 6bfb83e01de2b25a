"""The search of `engine.deduction` for many puzzles at once, on tensors: the states that training learns from are the
network's own. B searches, L cells, V candidates.

What serving cannot know is known here, the solution: a search is *alive* if and only if no candidate of it is gone.
Searches are led astray on purpose, and brought back, so that both kinds are seen. Nothing waits for the device and no
shape depends on a value, so that a step can be captured as it stands.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

SPARED = 0.6  # of the wrong removals are undone: a network that still removes too much would see dead searches alone
LEFT_WHEN_RIGHT = 0.3  # of the searches whose answer is right before they have come to an end
BELIEVED_DEAD = 0.8  # of those that the network holds dead, rightly
DEAD_FOR, OLDEST = 8, 80  # steps that a search goes on after its solution is lost, and in all
FEW, GUESSED_AT_FEW = 3, 0.3  # below so many removals it guesses at times, at none always
AS_SERVED, BY_COUNT = 0.7, 0.5  # of the guesses are where the search would guess; of these, where candidates are fewest
RIGHT_GUESS = 0.65  # of the guesses of a search that is alive
TAKEN = 0.75  # of the guesses take a candidate, the others take it away
FORGOTTEN = 0.3  # of the guesses go on from a fresh carry, as a branch that another lane takes does


@dataclass(frozen=True, slots=True)
class Searches:
    """Where B searches stand. Written in place."""

    solution: Tensor  # (B, L) int64
    allowed: Tensor  # (B, L, V) bool: what each cell may still be
    left: Tensor  # (B, L, V) bool: what it may be in the branch that waits, where there is one; it holds the solution
    waits: Tensor  # (B,) bool: there is one
    age: Tensor  # (B,) int64, steps
    dead_for: Tensor  # (B,) int64, steps since the solution was lost

    @classmethod
    def none(cls, rows: int, cells: int, width: int, device: torch.device) -> "Searches":
        """Not begun: all are to be replaced."""
        candidates = torch.ones((rows, cells, width), dtype=torch.bool, device=device)
        numbers = torch.zeros(rows, dtype=torch.int64, device=device)
        return cls(
            torch.zeros((rows, cells), dtype=torch.int64, device=device),
            candidates,
            candidates.clone(),
            torch.zeros(rows, dtype=torch.bool, device=device),
            numbers,
            numbers.clone(),
        )

    def state_dict(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def alive(self) -> Tensor:
        return holds(self.allowed, self.solution)

    def replace(self, rows: Tensor, solution: Tensor, allowed: Tensor) -> None:
        """Begin other puzzles in `rows` (B,) bool."""
        put(self.solution, rows, solution)
        put(self.allowed, rows, allowed)
        for tensor in (self.waits, self.age, self.dead_for):
            tensor.masked_fill_(rows, 0)


@dataclass(frozen=True, slots=True)
class Advance:
    """What came of a step. All (B,)."""

    ended: Tensor  # bool: another puzzle is to take its place
    solved: Tensor  # bool: ended with the right answer
    renewed: Tensor  # bool: goes on from a fresh carry
    erred: Tensor  # bool: alive, and a candidate of the solution was to go
    removed: Tensor  # int64, candidates


@dataclass(frozen=True, slots=True)
class Dice:
    """Random numbers of one generator, which a captured step advances, too."""

    generator: torch.Generator
    device: torch.device

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)

    def chance(self, probability: float, rows: int) -> Tensor:
        return self.uniform(rows) < probability

    def pick(self, weights: Tensor) -> Tensor:
        """(B, N) not negative -> (B,) an index each, with these odds; 0 where all are 0."""
        # An exponential race: torch.multinomial waits for the device to say that the weights are in order.
        waiting = -self.uniform(*weights.shape).clamp(min=1e-9).log()
        return (weights / waiting.clamp(min=1e-9)).argmax(-1)


@torch.no_grad()
def advance(
    now: Searches, logits: Tensor, alive_logits: Tensor, dice: Dice, *, remove_below: float, dead_below: float
) -> Advance:
    """One step of every search, by what the network says of it: `logits` (B, L, V) > 0 is "may be", `alive_logits` (B,)
    > 0 is "an answer is left". Removes, goes back, or guesses."""
    rows = len(logits)
    was_alive, undecided = now.alive(), now.allowed.sum(-1) > 1
    over = ~undecided.any(1)
    right = (logits.argmax(-1) == now.solution).all(1) & was_alive

    solution = torch.zeros_like(now.allowed).scatter_(-1, now.solution.unsqueeze(-1), True)
    going = now.allowed & undecided.unsqueeze(-1) & (logits.sigmoid() < remove_below)
    erred = (going & solution).flatten(1).any(1) & was_alive
    spared = erred & dice.chance(SPARED, rows)
    going = going & ~(solution & spared[:, None, None])
    removed = going.flatten(1).sum(1)
    now.allowed.logical_and_(~going)
    alive = now.alive()
    now.age.add_(1)
    now.dead_for.add_((~alive).long())

    gives_up = (alive_logits.sigmoid() < dead_below) & dice.chance(BELIEVED_DEAD, rows)
    ended = (
        over
        | (now.allowed.sum(-1) == 0).any(1)
        | (right & dice.chance(LEFT_WHEN_RIGHT, rows))
        | (~alive & (gives_up | (now.dead_for > DEAD_FOR)))
        | (now.age > OLDEST)
    )
    back = ended & ~alive & now.waits
    put(now.allowed, back, now.left)
    now.waits.logical_and_(~back)
    now.dead_for.masked_fill_(back, 0)

    quiet = (removed == 0) | ((removed < FEW) & dice.chance(GUESSED_AT_FEW, rows))
    undecided = now.allowed.sum(-1) > 1
    guesses = quiet & ~ended & undecided.any(1)
    _guess(now, guesses, logits, undecided, alive, dice)
    renewed = back | (guesses & dice.chance(FORGOTTEN, rows))
    ended = ended & ~back
    return Advance(ended, ended & right, renewed, erred, removed)


def _guess(now: Searches, rows: Tensor, logits: Tensor, undecided: Tensor, alive: Tensor, dice: Dice) -> None:
    """In `rows`, about one cell: rightly or wrongly where that is still open, and a candidate is taken, or taken away."""
    count = len(rows)
    each = torch.arange(count, device=rows.device)
    probability = logits.masked_fill(~now.allowed, -torch.inf).softmax(-1).nan_to_num()
    surest = probability.amax(-1)
    by_count = surest - now.allowed.sum(-1)
    wanted = torch.where(dice.chance(BY_COUNT, count)[:, None], by_count, surest)
    wanted = torch.where(dice.chance(AS_SERVED, count)[:, None], wanted, dice.uniform(*wanted.shape))
    cell = wanted.masked_fill(~undecided, -torch.inf).argmax(-1)

    allowed, solution = now.allowed[each, cell], now.solution[each, cell]
    is_solution = torch.zeros_like(allowed).scatter_(1, solution.unsqueeze(1), True)
    odds = ((probability[each, cell] + 1e-4) * allowed).masked_fill(is_solution & alive[:, None], 0)
    taken = torch.where(alive & dice.chance(RIGHT_GUESS, count), solution, dice.pick(odds))
    is_taken = torch.zeros_like(allowed).scatter_(1, taken.unsqueeze(1), True)
    without = allowed & ~is_taken

    wrong = rows & alive & (taken != solution)
    others = now.allowed.clone()
    others[each, cell] = without
    put(now.left, wrong, others)
    now.waits.logical_or_(wrong)

    takes = dice.chance(TAKEN, count) | (allowed.sum(-1) == 2)
    stays = alive & (taken == solution)  # to take the solution away would be an error, and no guess
    after = torch.where(takes[:, None], is_taken, torch.where(stays[:, None], allowed, without))
    now.allowed[each, cell] = torch.where(rows[:, None], after, allowed)


def holds(candidates: Tensor, solution: Tensor) -> Tensor:
    """(B,): whether no candidate of the solution is gone."""
    return candidates.gather(-1, solution.unsqueeze(-1)).squeeze(-1).all(1)


def put(tensor: Tensor, rows: Tensor, values: Tensor) -> None:
    """In place, `values` in `rows` (B,) bool."""
    tensor.copy_(torch.where(rows.view(-1, *[1] * (tensor.ndim - 1)), values, tensor))
