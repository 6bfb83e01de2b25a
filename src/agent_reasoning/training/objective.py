"""The loss of one supervision step of a structured network (TRM §4.6: one loss for the answer, one for the belief)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks.structured import StructuredOutput
from agent_reasoning.training.stream import IGNORED, Alike, Judge

BELIEF_WEIGHT = 0.5  # as published


@dataclass(frozen=True, slots=True)
class StepLoss:
    total: Tensor  # (), on the graph
    exact: Tensor  # (B,) bool: right


def step_loss(
    output: StructuredOutput, labels: Tensor, judge: Judge | None = None, alike: Sequence[Alike] = ()
) -> StepLoss:
    """labels: (B, K, L), IGNORED for padding; of the K answers to a problem, the one that the network is nearest to
    counts. Cells are averaged within a row first: small problems count as much. `judge` says which answers are right where
    that is more than to be one of the labels; such an answer is its own label. `alike`: for each row the candidates that may be
    swapped, which the labels are, to be as near as they can be."""
    real = labels != IGNORED
    chosen = output.logits.argmax(-1)
    right = None if judge is None else torch.from_numpy(judge(chosen.cpu().numpy())).to(labels.device)
    if any(alike):
        labels = nearest(labels, output.logits, alike)
    if right is not None:
        labels = torch.where((right[:, None] & real[:, 0]).unsqueeze(1), chosen.unsqueeze(1), labels)
    logits = output.logits.unsqueeze(1).expand(-1, labels.shape[1], -1, -1)
    of_cell = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), ignore_index=IGNORED, reduction="none")
    of_row = (of_cell.view_as(labels).sum(-1) / real.sum(-1)).amin(1)
    with torch.no_grad():
        exact = ((chosen.unsqueeze(1) == labels) | ~real).all(-1).any(1) if right is None else right
    belief = F.binary_cross_entropy_with_logits(output.q_halt_logits, exact.float())
    return StepLoss(of_row.mean() + BELIEF_WEIGHT * belief, exact)


@torch.no_grad()
def nearest(labels: Tensor, logits: Tensor, alike: Sequence[Alike]) -> Tensor:
    """(B, K, L) labels with interchangeable candidates swapped such that the logits give them the most probability
    (an assignment problem for each set of candidates)."""
    from scipy.optimize import linear_sum_assignment  # needed here only, and slow to import

    log_p = logits.float().log_softmax(-1).clamp(min=-30).cpu().numpy()
    found = labels.cpu().numpy().copy()
    width = log_p.shape[-1]
    for row, sets in enumerate(alike):
        for number, label in enumerate(found[row]):
            cells = np.flatnonzero(label != IGNORED)
            weight = np.zeros((width, width))  # of what is labelled v being answered w
            np.add.at(weight, label[cells], log_p[row, cells])
            swapped = np.arange(width)
            for candidates in sets:
                of = np.array(candidates)
                one, other = linear_sum_assignment(weight[np.ix_(of, of)], maximize=True)
                swapped[of[one]] = of[other]
            found[row, number, cells] = swapped[label[cells]]
    return torch.from_numpy(found).to(labels.device)
