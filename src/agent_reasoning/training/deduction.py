"""Training for the search by deduction (`engine.deduction`), on the states of its own searches: which candidates may go, and is an
answer left? Compare LDT (arXiv 2605.08605); for Sudoku."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks import packed
from agent_reasoning.networks.dense import SIDE, UNITS, Units, known, unit_links
from agent_reasoning.networks.structured import StructuredCarry, StructuredOutput
from agent_reasoning.training.branching import Dice, Searches, advance, put
from agent_reasoning.training.learner import Captured, Learner
from agent_reasoning.training.puzzles import Labelled, PuzzlePool
from agent_reasoning.training.running import Tally
from agent_reasoning.training.state import TrainConfig, TrainState

KEPT_WEIGHT = (
    8.0  # of a candidate that must stay, as in LDT: a wrong removal loses the answer, a right one saves a step
)
REMOVE_BELOW, DEAD_BELOW = 0.08, 0.1  # bolder than what is served: a search has to see what its mistakes lead to
ANSWER_WEIGHT, ALIVE_WEIGHT = 0.2, 0.3
FEWEST_PAIRS, FEWEST_CELLS = 20, 5  # undecided ones: below, those of a nearly solved puzzle would weigh too much each
MOST_CELL_LOSS = 50.0
LARGEST_WORLD = 64 * 2**20  # bytes of searches that are saved; of a larger run they begin anew
CELLS = SIDE * SIDE


class Deducing:
    """`config.batch_size` searches at once. `label`: chunk i of labelled puzzles, for `pool`; None where it has them all."""

    size = CELLS

    def __init__(
        self,
        config: TrainConfig,
        state: TrainState,
        pool: PuzzlePool,
        label: Callable[[int], list[Labelled]] | None = None,
    ) -> None:
        self._state, self._pool, self._label = state, pool, label
        self._learner = Learner(config, state)
        device, rows = self._learner.device, config.batch_size
        self._dice = Dice(torch.Generator(device).manual_seed(config.seed), device)
        self._searches = Searches.none(rows, CELLS, SIDE, device)
        self._tokens = torch.zeros((rows, CELLS), dtype=torch.int64, device=device)
        carry = (rows, CELLS, SIDE, config.network.hidden)
        self._z_H, self._z_L = torch.zeros(carry, device=device), torch.zeros(carry, device=device)
        # A captured step has the same shapes each time, so on a GPU closed pairs are computed, too.
        by_all = device.type == "cuda"
        self._sets = None if by_all else packed.Sets.of(unit_links(rows), UNITS, (rows, CELLS, SIDE))
        self._sums = torch.zeros(4, device=device)  # steps, their losses, searches that ended, those with the answer
        if state.step == 0:
            # As many searches are alive as are not: a belief that starts at "never" would only have to be unlearned.
            state.network.q_head.bias.data.zero_()
            state.averaged.q_head.bias.data.zero_()
        if label is not None and not int(pool.chunks):
            pool.let_in(state.step, label)
        if not self._restored():
            self._renew(torch.ones(rows, dtype=torch.bool, device=device), torch.zeros_like(self._searches.waits))
        self._captured = Captured(self._step, device, self._dice.generator)

    def advance(self, done: float) -> None:
        if self._label is not None:
            self._pool.let_in(self._state.step, self._label)
        self._learner.pace(done)
        self._captured()
        self._state.batches += 1

    def trial(self) -> Tensor:
        return self._loss(self._refined()[2], self._searches.alive())

    def tally(self) -> Tally:
        steps, loss, ended, solved = self._sums.tolist()
        self._sums.zero_()
        return Tally(loss / max(1, steps), solved / max(1, ended), int(ended))

    def world(self) -> dict[str, Any]:
        found: dict[str, Any] = {"pool": self._pool.state_dict()} if self._label else {}
        tensors = self._tensors()
        if sum(tensor.nbytes for tensor in tensors.values()) <= LARGEST_WORLD:
            found |= {"searches": tensors, "dice": self._dice.generator.get_state()}
        return found

    def _tensors(self) -> dict[str, Tensor]:
        own = {"tokens": self._tokens, "z_H": self._z_H, "z_L": self._z_L}
        return own | self._searches.state_dict()

    def _restored(self) -> bool:
        saved, tensors = self._state.world.get("searches"), self._tensors()
        if saved is None or any(saved[name].shape != tensor.shape for name, tensor in tensors.items()):
            return False
        for name, tensor in tensors.items():
            tensor.copy_(saved[name])
        self._dice.generator.set_state(self._state.world["dice"])
        return True

    def _refined(self) -> tuple[Tensor | None, tuple[Tensor, Tensor], StructuredOutput]:
        """One step of the network: of which rows of the carry, the next ones, and the output."""
        network, allowed = self._state.network, self._searches.allowed
        if self._sets is None:
            problems = known(self._tokens, allowed)
            carry, output = network.step(
                StructuredCarry(self._z_H, self._z_L), problems, network.embed(problems), Units.of(allowed)
            )
            return None, (carry.z_H, carry.z_L), output
        pairs = packed.pack(allowed.numpy().copy(), self._sets)
        z_H, z_L = (z.flatten(0, 2).index_select(0, pairs.rows) for z in (self._z_H, self._z_L))
        return pairs.rows, *packed.step(network, (z_H, z_L), pairs, packed.embed(network, pairs, self._tokens))

    def _loss(self, output: StructuredOutput, alive: Tensor) -> Tensor:
        return deduction_loss(output, self._searches.allowed, self._searches.solution, alive)

    def _step(self) -> None:
        """All of one step, from the network to the next states: nothing here waits for the device."""
        alive = self._searches.alive()
        with self._learner.autocast():
            rows, stepped, output = self._refined()
        loss = self._loss(output, alive)
        self._learner.learn(loss)
        with torch.no_grad():
            for kept, z in zip((self._z_H, self._z_L), stepped, strict=True):
                if rows is None:
                    kept.copy_(z)
                else:
                    kept.flatten(0, 2).index_copy_(0, rows, z.to(kept.dtype))
            came = advance(
                self._searches, output.logits.detach(), output.q_halt_logits.detach(), self._dice,
                remove_below=REMOVE_BELOW, dead_below=DEAD_BELOW,
            )  # fmt: skip
            self._renew(came.ended, came.renewed)
            one = torch.ones_like(loss)
            self._sums.add_(torch.stack([one, loss.detach(), came.ended.sum() * one, came.solved.sum() * one]))

    def _renew(self, ended: Tensor, renewed: Tensor) -> None:
        """Other puzzles for the searches that have ended; for them and for `renewed` a fresh carry."""
        givens, solutions = self._pool.draw(len(ended), self._dice)
        digits = torch.arange(1, SIDE + 1, device=givens.device)
        given = givens > 0
        put(self._tokens, ended, given.long())
        self._searches.replace(ended, solutions - 1, ~given.unsqueeze(-1) | (givens.unsqueeze(-1) == digits))
        network = self._state.network
        for z, init in ((self._z_H, network.H_init), (self._z_L, network.L_init)):
            put(z, ended | renewed, init.expand_as(z))


def deduction_loss(output: StructuredOutput, allowed: Tensor, solution: Tensor, alive: Tensor) -> Tensor:
    """Of the searches that are alive: may each candidate stay, over the undecided cells, and which one is the answer. Of all:
    is the solution left? allowed (B, L, V), solution (B, L), alive (B,)."""
    logits = output.logits
    is_solution = torch.zeros_like(allowed).scatter_(-1, solution.unsqueeze(-1), True)
    undecided = allowed.sum(-1) > 1
    pairs = allowed & undecided.unsqueeze(-1)
    stays = F.binary_cross_entropy_with_logits(logits.clamp(-30, 30), is_solution.float(), reduction="none")
    stays = stays * torch.where(is_solution, KEPT_WEIGHT, 1.0) * pairs
    of_pairs = stays.flatten(1).sum(1) / pairs.flatten(1).sum(1).clamp(min=FEWEST_PAIRS)
    of_cells = F.cross_entropy(logits.flatten(0, 1), solution.flatten(), reduction="none").view_as(solution)
    of_cells = of_cells.clamp(max=MOST_CELL_LOSS) * undecided
    of_answers = of_cells.sum(1) / undecided.sum(1).clamp(min=FEWEST_CELLS)
    of_rows = (of_pairs + ANSWER_WEIGHT * of_answers) * alive
    return of_rows.mean() + ALIVE_WEIGHT * F.binary_cross_entropy_with_logits(output.q_halt_logits, alive.float())
