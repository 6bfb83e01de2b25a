"""The evaluation that the authors of TRM and HRM publish, for their checkpoints: every puzzle gets all of
`halt_max_steps`, nothing stops early, nothing is masked, and the last step's tokens are compared with the label."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agent_reasoning.engine.model import Model
from agent_reasoning.engine.sequence import PublishedModel
from agent_reasoning.errors import ConfigurationError
from agent_reasoning.problem import Ints, PublishedForm
from agent_reasoning.tasks import Labelled, Task

BATCH = 64


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    instances_of: str
    instances: int
    steps: int
    exact: float
    cells: float
    mean_milliseconds: float


@torch.inference_mode()
def as_published(
    task: Task[Any], model: Model, name: str, instances: list[Labelled[Any]], observe: Callable[[str, int], None]
) -> PublishedAccuracy:
    """Raises ConfigurationError for a model that is no published checkpoint."""
    if not isinstance(model, PublishedModel):
        raise ConfigurationError(f"{model.name} is no published checkpoint: --published is for those.")
    network = model.network
    exact = cells = 0
    begun = time.perf_counter()
    for start in range(0, len(instances), BATCH):
        chunk = instances[start : start + BATCH]
        forms = [_form(task, item) for item in chunk]
        labels = torch.from_numpy(np.stack([_label(form, item) for form, item in zip(forms, chunk, strict=True)]))
        inputs = torch.from_numpy(np.stack([form.tokens for form in forms])).to(model.device)
        identifiers = torch.zeros(len(chunk), dtype=torch.int64, device=model.device)
        batch = {"inputs": inputs, "puzzle_identifiers": identifiers}
        carry = network.initial_carry(len(chunk))
        for _ in range(network.config.halt_max_steps):
            carry, output = network.step(carry, batch)
        right = output.logits.argmax(-1).cpu() == labels
        exact += int(right.all(1).sum())
        cells += int(right.sum())
        observe(f"evaluate {name}", len(chunk))
    seconds, count = time.perf_counter() - begun, len(instances)
    share = cells / (count * labels.shape[1])
    return PublishedAccuracy(name, count, network.config.halt_max_steps, exact / count, share, seconds / count * 1000)


def _form(task: Task[Any], item: Labelled[Any]) -> PublishedForm:
    form = task.encode(item.instance).published
    assert form is not None, "a published checkpoint serves only tasks that have a published form"
    return form


def _label(form: PublishedForm, item: Labelled[Any]) -> Ints:
    """[L] in the published encoding."""
    tokens = np.broadcast_to(form.answers, (len(form.tokens), form.answers.shape[-1]))
    return tokens[np.arange(len(tokens)), item.choice]
