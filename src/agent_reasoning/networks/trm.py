"""TRM, the tiny recursive model (arXiv 2510.04871): one network for both levels, gradients through the last cycle."""

import torch

from agent_reasoning.networks.config import TRMConfig
from agent_reasoning.networks.layers import Level
from agent_reasoning.networks.sequence import SequenceModel


class TRM(SequenceModel):
    """`generator` draws the weights; None takes torch's own."""

    config: TRMConfig

    def __init__(self, config: TRMConfig, generator: torch.Generator | None = None) -> None:
        super().__init__(config)
        self.L_level = Level(config, config.L_layers)
        self.reset_parameters(generator)

    @property
    def H_level(self) -> Level:  # type: ignore[override]
        """The same network does both jobs (§4.3)."""
        return self.L_level

    @property
    def gradient_L_updates(self) -> int:
        return self.config.L_cycles  # the whole last cycle (§4.1)
