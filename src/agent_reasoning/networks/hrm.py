"""HRM, the hierarchical reasoning model (arXiv 2506.21734): a network for each level, the one-step gradient."""

import torch

from agent_reasoning.networks.config import HRMConfig
from agent_reasoning.networks.layers import Level
from agent_reasoning.networks.sequence import SequenceModel


class HRM(SequenceModel):
    """`generator` draws the weights; None takes torch's own."""

    config: HRMConfig

    def __init__(self, config: HRMConfig, generator: torch.Generator | None = None) -> None:
        super().__init__(config)
        self.H_level = Level(config, config.H_layers)
        self.L_level = Level(config, config.L_layers)
        self.reset_parameters(generator)

    @property
    def gradient_L_updates(self) -> int:
        return 1  # the one-step approximation of the gradient at the fixed point (§2.3)


def build_hrm(
    *,
    vocab_size: int,
    dim: int,
    N: int = 2,
    T: int = 2,
    use_act: bool = True,
    seq_len: int | None = None,
    num_heads: int = 4,
    layers: int = 1,
    halt_max_steps: int = 16,
    seed: int = 0,
) -> HRM:
    """A fresh HRM from a handful of numbers, in the words of HRM's paper; in training mode, float32.

    N: high-level cycles of one supervision step (`H_cycles`). T: low-level steps of one cycle (`L_cycles`).
    use_act: learn when to stop; False always takes `halt_max_steps` supervision steps. dim: hidden size, a multiple
    of 2 * num_heads. layers: blocks of each level. seq_len: cells of a puzzle, for learned positions; without it
    positions are rotary and any length works. Raises ValueError for sizes that cannot work.
    """
    config = HRMConfig(
        vocab_size=vocab_size,
        seq_len=seq_len,
        hidden_size=dim,
        num_heads=num_heads,
        H_cycles=N,
        L_cycles=T,
        H_layers=layers,
        L_layers=layers,
        pos_encodings="rope" if seq_len is None else "learned",
        halt_max_steps=halt_max_steps,
        use_act=use_act,
    )
    return HRM(config, torch.Generator().manual_seed(seed))
