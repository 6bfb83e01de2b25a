"""The loss of one supervision step of TRM or HRM: the answer, and the belief in it.

As in the published training code: stablemax cross-entropy for the cells, binary cross-entropy for the halting head
(TRM §4.6, HRM §2.5). B rows, S cells, V tokens.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks.carry import ACTCarry, Batch
from agent_reasoning.networks.sequence import SequenceModel, StepOutput

IGNORED = -100
"""The label of a cell without one."""

BELIEF_WEIGHT = 0.5


class ActLoss(NamedTuple):
    """Unpacks as `carry, loss, metrics, output`."""

    carry: ACTCarry
    """For the next step; detached."""
    loss: Tensor
    """() float64, summed over rows, on the graph. Divide it by the batch size before `backward`."""
    metrics: dict[str, Tensor]
    """() each, detached sums. `loss`, `lm_loss`, `q_halt_loss`, `q_continue_loss` (where it is learnt) run over all
    rows: divide them by the batch size. `accuracy`, `exact_accuracy`, `q_halt_accuracy` and `steps` run over the rows
    that have halted now and have labels; `count` is how many: divide them by it."""
    output: StepOutput


def act_loss(model: SequenceModel, carry: ACTCarry, batch: Batch, generator: torch.Generator | None = None) -> ActLoss:
    """Take one supervision step and say how good it was.

    batch holds `labels` (B, S), IGNORED where a cell has none; a row without any counts as answered rightly. The loss
    is that of the puzzles in the new carry: a row that was not halted is still at its old one. In training mode
    rows halt as `SequenceModel.step` says; `generator` draws the exploration, and without one nothing is explored.
    The model must be in training mode for the puzzle embedding to get its gradient. Raises ValueError for a batch
    without labels or one that does not fit.
    """
    if "labels" not in batch or batch["labels"].shape != batch["inputs"].shape:
        raise ValueError("training needs batch['labels'] in the shape of batch['inputs']")
    carry, output = model.step(carry, batch, generator=generator)
    labels = carry.data["labels"].long()
    labelled = labels != IGNORED
    count = labelled.sum(1)

    of_cell = stablemax_cross_entropy(output.logits, labels)
    # A puzzle with few labelled cells weighs as much as one with many.
    lm_loss = (of_cell.sum(1) / count.clamp(min=1)).sum()
    with torch.no_grad():
        right = (output.logits.argmax(-1) == labels) & labelled
        correct = right.sum(1) == count
        valid = carry.halted & (count > 0)
        metrics = {
            "count": valid.sum(),
            "accuracy": torch.where(valid, right.sum(1) / count.clamp(min=1), 0).sum(),
            "exact_accuracy": (valid & correct).sum(),
            "q_halt_accuracy": (valid & ((output.q_halt_logits >= 0) == correct)).sum(),
            "steps": torch.where(valid, carry.steps, 0).sum(),
        }
    loss = lm_loss
    losses = {"lm_loss": lm_loss}
    if model.config.use_act:
        losses["q_halt_loss"] = _belief_loss(output.q_halt_logits, correct)
        if output.target_q_continue is not None and output.q_continue_logits is not None:
            losses["q_continue_loss"] = _belief_loss(output.q_continue_logits, output.target_q_continue)
        loss = lm_loss + BELIEF_WEIGHT * sum(losses[name] for name in losses if name != "lm_loss")
    metrics |= {name: value.detach() for name, value in losses.items()} | {"loss": loss.detach()}
    return ActLoss(carry, loss, metrics, output)


def stablemax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p(label) of each cell, 0 where the label is IGNORED, in float64.

    logits: (..., V); labels: (...) int64. Stablemax is softmax with s(x) = x + 1 for x >= 0 and 1 / (1 - x) below in
    place of exp (arXiv 2501.04697): it neither overflows nor saturates.
    """
    x = logits.double()
    s = torch.where(x < 0, 1 / (1 - x.clamp(max=0)), x + 1)
    log_p = s.log() - s.sum(-1, keepdim=True).log()
    labelled = labels != IGNORED
    picked = log_p.gather(-1, labels.where(labelled, 0).unsqueeze(-1)).squeeze(-1)
    return torch.where(labelled, -picked, 0)


def _belief_loss(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="sum")
