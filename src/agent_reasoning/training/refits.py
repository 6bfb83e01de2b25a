"""Training for searches that hold an answer: the network learns from the searches that it makes itself, and needs no labels.

A batch of clusters, a few lanes of each: in every step the network is told what a lane holds, answers are drawn from what it says
(`tasks.refit`), and those that are better than all before are what it should have said: cross-entropy to them. Where none is better
nothing is learnt but the belief in the answer. So it comes to say which workloads should go where, of an answer as it is; equal
nodes need no canonical order, for the answer that is held tells them apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks.batch import ProblemBatch, collate, draw_ties
from agent_reasoning.networks.dense import Columns
from agent_reasoning.networks.structured import StructuredCarry, StructuredOutput
from agent_reasoning.problem import Bools, Ints
from agent_reasoning.tasks import Task
from agent_reasoning.tasks.cluster import Cluster
from agent_reasoning.tasks.placement_world import baseline_reaches, drawn_cluster
from agent_reasoning.tasks.refit import OBJECTIVES, Crowd, Reals
from agent_reasoning.training.learner import Learner
from agent_reasoning.training.running import Tally
from agent_reasoning.training.state import TrainConfig, TrainState
from agent_reasoning.training.stream import TRAINING

LANES = 4  # of each cluster
STEPS = 8  # of a search
DRAWS = 16  # of a lane and step; serving draws more
OF_EACH = (0.4, 0.25, 0.35)  # the share of each objective
EASY = 0.1  # of the clusters that a heuristic solves, those that are kept
BELIEF_WEIGHT = 0.1
FEWEST = 8  # lanes that a mean is taken over: where a single one learns, it does not weigh as much as all
LOWEST = -30.0  # of a logit in the loss

Draw = Callable[[int], Sequence[Cluster]]


def draw_clusters(batch_size: int, seed: int, sizes: tuple[int, int], number: int) -> list[Cluster]:
    """Batch `number`, from (seed, number) alone: clusters of one size that the heuristics do not solve, mostly."""
    rng = np.random.default_rng([seed, number, TRAINING])
    size = int(rng.integers(*sizes, endpoint=True))
    found: list[Cluster] = []
    while len(found) < batch_size:
        drawn = drawn_cluster(rng, size, OBJECTIVES[int(rng.choice(len(OBJECTIVES), p=OF_EACH))])
        if drawn is not None and (rng.random() < EASY or not baseline_reaches(drawn[0], drawn[0].bound)):
            found.append(drawn[0])
    return found


@dataclass(slots=True)
class Lanes:
    """Searches under way: N lanes."""

    crowd: Crowd
    of: Ints  # [N] the cluster of each
    problems: ProblemBatch
    wires: Columns
    carry: StructuredCarry
    held: Ints  # [N, L]
    objective: Reals  # [N] of what is held


class Refits:
    """Batches of `config.batch_size` clusters; `draw(i)` is batch i."""

    def __init__(self, config: TrainConfig, state: TrainState, task: Task[Cluster], draw: Draw) -> None:
        self._config, self._state, self._task, self._draw = config, state, task, draw
        self._learner = Learner(config, state)
        # steps, their losses, clusters, those whose lanes all came to the best that one of them found
        self._sums = np.zeros(4)
        self.size = 0

    def advance(self, done: float) -> None:
        number = self._state.batches
        lanes, rng = self._lanes(number), np.random.default_rng([self._config.seed, number, TRAINING, 1])
        for _ in range(STEPS):
            self._learner.pace(done)
            loss = self._step(lanes, rng)
            self._learner.learn(loss)
            self._sums[:2] += 1, float(loss.detach())
        alike = np.array([np.ptp(lanes.objective[lanes.of == each]) == 0 for each in range(max(lanes.of) + 1)])
        self._sums[2:] += len(alike), alike.sum()
        self._state.batches += 1

    def trial(self) -> Tensor:
        return self._step(self._lanes(self._state.batches), np.random.default_rng(0))

    def tally(self) -> Tally:
        steps, loss, clusters, solved = self._sums.tolist()
        self._sums[:] = 0
        return Tally(loss / max(1, steps), solved / max(1, clusters), int(clusters))

    def world(self) -> dict[str, Any]:
        return {}  # every batch begins anew

    def _lanes(self, number: int) -> Lanes:
        clusters, spec = self._draw(number), self._task.info.spec
        crowd, of = Crowd(clusters), np.repeat(np.arange(len(clusters)), LANES)
        problems = collate([self._task.encode(cluster) for cluster in clusters], spec).rows(torch.from_numpy(of))
        ties = [np.random.default_rng([self._config.seed, number, lane]) for lane in range(len(of))]
        problems = draw_ties(problems, spec, ties).to(self._learner.device)
        held = crowd.first(of)
        self.size = crowd.cells
        return Lanes(
            crowd, of, problems, Columns(problems.allowed, torch.from_numpy(crowd.apart[of]).to(self._learner.device)),
            self._state.network.initial_carry(problems), held, crowd.costs(of, held)[0],
        )  # fmt: skip

    def _step(self, lanes: Lanes, rng: np.random.Generator) -> Tensor:
        """The loss, on the graph; the lanes go on."""
        network, crowd, of = self._state.network, lanes.crowd, lanes.of
        problems = replace(lanes.problems, held=self._told(lanes))
        with self._learner.autocast():
            lanes.carry, output = network.step(lanes.carry, problems, network.embed(problems), lanes.wires)
        said = output.logits.detach().float().cpu().numpy().astype(float)
        drawn = crowd.draw(rng, of, lanes.held, lanes.objective, said, DRAWS)
        reached = crowd.costs(np.repeat(of, DRAWS), drawn.reshape(len(of) * DRAWS, -1))[0].reshape(len(of), DRAWS)
        least = reached.min(1)
        teaches = (reached == least[:, None]) & (least < lanes.objective)[:, None]
        lanes.held, lanes.objective = crowd.choose(rng, of, lanes.held, lanes.objective, drawn)
        best = np.array([lanes.objective[of == each].min() for each in of])
        return refit_loss(output, drawn, teaches, lanes.objective == best)

    def _told(self, lanes: Lanes) -> Tensor:
        told = torch.zeros(lanes.problems.present.shape)
        lane, workload = np.nonzero(lanes.held >= 0)
        told[lane, workload, lanes.held[lane, workload]] = 1.0
        return told.to(self._learner.device)


def refit_loss(output: StructuredOutput, drawn: Ints, teaches: Bools, best: Bools) -> Tensor:
    """Cross-entropy to those of the answers `drawn` [N, D, L] that teach [N, D], each lane's with the same weight; and of the
    belief that what is held after the step is the best, [N]."""
    device = output.logits.device
    belief = F.binary_cross_entropy_with_logits(output.q_halt_logits, torch.from_numpy(best).float().to(device))
    lane, which = np.nonzero(teaches)
    if not len(lane):
        return BELIEF_WEIGHT * belief
    answers = torch.from_numpy(drawn[lane, which]).to(device)
    log_p = F.log_softmax(output.logits.float().clamp(min=LOWEST), -1)[torch.from_numpy(lane).to(device)]
    picked = log_p.gather(-1, answers.clamp(min=0).unsqueeze(-1)).squeeze(-1) * (answers >= 0)
    weight = torch.from_numpy(1 / teaches.sum(1)[lane]).float().to(device)
    of_answers = -(picked.mean(1) * weight).sum() / max(FEWEST, len(set(lane.tolist())))
    return of_answers + BELIEF_WEIGHT * belief
