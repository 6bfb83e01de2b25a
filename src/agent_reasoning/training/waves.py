"""Training for mazes by plain recursion with targets on the way: a network that is told only the path does not find out how to
look for it. A wave runs out from the goal, square after square as fast as messages do, and leaves its distance, modulo 3; behind it
each square learns which of its sides is nearer to the goal; when it has come to the start, the path is traced back along these.
What is said of the wave and the sides is read by a head that is not served."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent_reasoning.networks.dense import Neighbours, known
from agent_reasoning.networks.structured import StructuredCarry, StructuredOutput
from agent_reasoning.training.learner import Captured, Learner
from agent_reasoning.training.mazes import GOAL, NO_SIDE, SIDES, START, WALL, Draw, Targets, targets
from agent_reasoning.training.running import Tally
from agent_reasoning.training.state import TrainConfig, TrainState

ON = 1  # the candidate "on the path"
WAVE_CLASSES, SIDE_CLASSES = 4, NO_SIDE + 1  # not yet, or the distance modulo 3; a side, or none
MARGIN, BEHIND = 2, 4  # squares from the wave's front where nothing is asked of it; of the sides, behind it
PATH_WEIGHT, BELIEF_WEIGHT, ON_WEIGHT = 3.0, 0.3, 3.0
SPARE_STEPS, MOST_STEPS = 3, 64  # beyond what wave and trace take, and 0 to 3 more; in all


def beside(hidden: int, seed: int) -> nn.Linear:
    """The head that is trained with the network and not served."""
    made = nn.Linear(hidden, WAVE_CLASSES + SIDE_CLASSES)
    generator = torch.Generator().manual_seed(seed)
    nn.init.trunc_normal_(made.weight, std=hidden**-0.5, generator=generator)
    nn.init.zeros_(made.bias)
    return made


class Waves:
    """Batches of `config.batch_size` mazes; `draw(i)` is batch i. Each gets as many steps as its longest path takes."""

    def __init__(self, config: TrainConfig, state: TrainState, draw: Draw) -> None:
        self._config, self._state, self._draw = config, state, draw
        assert isinstance(state.beside, nn.Linear), "the state was made without the head for targets on the way"
        self._head = state.beside
        self._learner = Learner(config, state)
        self._speed = config.network.L_cycles  # squares a step, of the L_cycles + 1 that a message could come
        self._memory: Any = None if self._learner.device.type != "cuda" else torch.cuda.graph_pool_handle()
        self._boards: dict[tuple[int, ...], Board] = {}
        self._sums = torch.zeros(4, device=self._learner.device)  # steps, their losses, mazes, solved ones
        self.size = 0

    def advance(self, done: float) -> None:
        number = self._state.batches
        labels = targets(self._draw(number), self._learner.device)
        board = self._board(labels)
        board.begin(labels, self._state)
        # The wave there and the trace back; some spare, so that to stay right is learnt, too.
        rng = np.random.default_rng([self._config.seed, number, 1])
        steps = 2 * math.ceil(int(labels.length.max()) / self._speed) + SPARE_STEPS + int(rng.integers(4))
        for _ in range(min(steps, MOST_STEPS)):
            self._learner.pace(done)
            board.step()
        self._sums[2:].add_(torch.stack([board.solved.new_tensor(len(labels.length)), board.solved.sum()]))
        self._state.batches += 1

    def trial(self) -> Tensor:
        board = self._new_board(targets(self._draw(self._state.batches), self._learner.device))
        board.k.fill_(1)
        return self._loss(board, *self._refined(board)[1:]).total

    def tally(self) -> Tally:
        steps, loss, mazes, solved = self._sums.tolist()
        self._sums.zero_()
        return Tally(loss / max(1, steps), solved / max(1, mazes), int(mazes))

    def world(self) -> dict[str, Any]:
        return {}  # every batch begins anew

    def _board(self, labels: Targets) -> "Board":
        shape = tuple(labels.is_open.shape)
        if shape not in self._boards:
            self._boards[shape] = self._new_board(labels)
        self.size = labels.tokens.shape[1]
        return self._boards[shape]

    def _new_board(self, labels: Targets) -> "Board":
        board = Board.like(labels, self._state)
        board.step = Captured(lambda: self._step(board), self._learner.device, pool=self._memory)
        return board

    def _refined(self, board: "Board") -> tuple[StructuredCarry, StructuredOutput, Tensor]:
        network, labels = self._state.network, board.labels
        problems = known(labels.tokens, candidates(labels.tokens))
        wires, carry = Neighbours(labels.is_open, SIDES), StructuredCarry(board.z_H, board.z_L)
        z_H, z_L = network.refine(carry, problems, network.embed(problems), wires)
        told: Tensor = self._head(z_H[:, :, ON])
        return StructuredCarry(z_H.detach(), z_L.detach()), network.read(z_H, problems, wires), told.float()

    def _loss(self, board: "Board", output: StructuredOutput, told: Tensor) -> "WaveLoss":
        return wave_loss(output, told, board.labels, board.k, self._speed)

    def _step(self, board: "Board") -> None:
        with self._learner.autocast():
            carry, output, told = self._refined(board)
        loss = self._loss(board, output, told)
        self._learner.learn(loss.total)
        with torch.no_grad():
            board.z_H.copy_(carry.z_H)
            board.z_L.copy_(carry.z_L)
            board.solved.copy_(loss.exact)
            board.k.add_(1)
            self._sums[:2].add_(torch.stack([torch.ones_like(loss.total), loss.total.detach()]))


@dataclass(slots=True)
class Board:
    """Tensors of one size of batch, which captured steps read and write."""

    labels: Targets
    z_H: Tensor
    z_L: Tensor
    k: Tensor  # () float32: the step that comes next, from 1
    solved: Tensor  # (B,) float32: by the last step
    step: Callable[[], None]

    @classmethod
    def like(cls, labels: Targets, state: TrainState) -> "Board":
        rows, cells = labels.tokens.shape
        shape = (rows, cells, 2, state.network.config.hidden)
        z_H, z_L = state.network.H_init.expand(shape).clone(), state.network.L_init.expand(shape).clone()
        copied = Targets(*(getattr(labels, name).clone() for name in Targets.__slots__))
        return cls(copied, z_H, z_L, z_H.new_zeros(()), z_H.new_zeros(rows), lambda: None)

    def begin(self, labels: Targets, state: TrainState) -> None:
        for name in Targets.__slots__:
            getattr(self.labels, name).copy_(getattr(labels, name))
        self.z_H.copy_(state.network.H_init.expand_as(self.z_H))
        self.z_L.copy_(state.network.L_init.expand_as(self.z_L))
        self.k.fill_(1)


@dataclass(frozen=True, slots=True)
class WaveLoss:
    total: Tensor  # (), on the graph
    exact: Tensor  # (B,) float32: 1 where the whole path is right


def candidates(tokens: Tensor) -> Tensor:
    """(B, L, 2) bool, as `tasks.maze` encodes them: walls are off the path, start and goal on it."""
    return torch.stack([(tokens != START) & (tokens != GOAL), tokens != WALL], -1)


def wave_loss(output: StructuredOutput, told: Tensor, labels: Targets, step: Tensor, speed: int) -> WaveLoss:
    """told (B, L, 9): what the head reads of the wave and of the sides; step (): from 1. The wave has come `speed` squares
    with each step, the trace likewise since the wave's arrival at the start."""
    to_goal, length = labels.to_goal.flatten(1), labels.length[:, None]
    reached, on_path = to_goal >= 0, labels.on_path.flatten(1)
    front = speed * step
    wave = torch.where(reached & (to_goal <= front - 1), 1 + to_goal % 3, 0)
    sure = reached & ((to_goal <= front - MARGIN) | (to_goal > front + MARGIN))
    of_wave = mean_over(cross_entropy(told[..., :WAVE_CLASSES], wave), sure)
    of_sides = mean_over(
        cross_entropy(told[..., WAVE_CLASSES:], labels.first.flatten(1)), reached & (to_goal <= front - BEHIND)
    )

    from_start = length - to_goal  # on the path
    traced = speed * (step - torch.ceil((length + 3) / speed))
    ends = (from_start <= 0) | (to_goal == 0)
    answer = on_path & ((from_start <= traced) | ends)
    near_front = on_path & (from_start > traced - 3) & (from_start <= traced + speed) & ~ends
    is_cell = labels.tokens != WALL
    weight = (is_cell & ~near_front) * torch.where(answer, ON_WEIGHT, 1.0)
    of_cells = cross_entropy(output.logits.clamp(min=-30), answer.long()) * weight
    of_path = (of_cells.sum(1) / weight.sum(1)).mean()
    exact = ((output.logits.argmax(-1) == on_path.long()) | ~is_cell).all(1).float()
    belief = F.binary_cross_entropy_with_logits(output.q_halt_logits, exact)
    return WaveLoss(of_wave + of_sides + PATH_WEIGHT * of_path + BELIEF_WEIGHT * belief, exact)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)


def mean_over(values: Tensor, which: Tensor) -> Tensor:
    return (values * which).sum() / which.sum().clamp(min=1)
