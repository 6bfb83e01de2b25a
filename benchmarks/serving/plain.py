"""A static batch as a user of the network would write it: collate, embed once, step; no slots, no chunks."""

from collections.abc import Sequence

import numpy as np
import torch

from agent_reasoning.engine.pool import Choice
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.traced import StepRunner, flatten
from agent_reasoning.problem import Problem


class PlainBatch:
    """`runner`: the engine's recorded step in place of the network's own, for whoever thinks of recording it."""

    @torch.inference_mode()
    def __init__(self, model: StructuredModel, problems: Sequence[Problem], runner: StepRunner | None = None) -> None:
        network = model.network
        batch = collate(problems, network.config.spec)
        carry = network.initial_carry(batch)
        self._inputs = flatten(batch, network.embed(batch), batch.wires())
        self._carry = carry.z_H.clone(), carry.z_L.clone()
        self._runner = runner or StepRunner(network, record=False)

    @torch.inference_mode()
    def step(self) -> Choice:
        """One supervision step of all rows: [B, L]."""
        choices, *_ = self._runner(self._inputs, self._carry, self._carry)
        answers: Choice = np.asarray(choices)
        return answers
