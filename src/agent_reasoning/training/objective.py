"""The loss of one supervision step of a structured network (TRM §4.6: one loss for the answer, one for the belief)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks.structured import StructuredOutput
from agent_reasoning.training.stream import IGNORED, Judge

BELIEF_WEIGHT = 0.5  # as published


@dataclass(frozen=True, slots=True)
class StepLoss:
    total: Tensor  # (), on the graph
    exact: Tensor  # (B,) bool: right


def step_loss(output: StructuredOutput, labels: Tensor, judge: Judge | None = None) -> StepLoss:
    """labels: (B, K, L), IGNORED for padding; of the K answers to a problem, the one that the network is nearest to
    counts. Cells are averaged within a row first: small problems count as much. `judge` says which answers are right where
    that is more than to be one of the labels."""
    real = labels != IGNORED
    logits = output.logits.unsqueeze(1).expand(-1, labels.shape[1], -1, -1)
    of_cell = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), ignore_index=IGNORED, reduction="none")
    of_row = (of_cell.view_as(labels).sum(-1) / real.sum(-1)).amin(1)
    with torch.no_grad():
        exact = ((output.logits.argmax(-1).unsqueeze(1) == labels) | ~real).all(-1).any(1)
        if judge is not None:
            exact = torch.from_numpy(judge(output.logits.argmax(-1).cpu().numpy())).to(labels.device)
    belief = F.binary_cross_entropy_with_logits(output.q_halt_logits, exact.float())
    return StepLoss(of_row.mean() + BELIEF_WEIGHT * belief, exact)
