"""A structured network's step as a recorded graph, which runs without Python between its operations.

On a CPU half of a small step is Python; and while one thread runs it, no other can. A recorded step takes two thirds
of the time, and as many run at once as there are cores. TorchScript's tracer is deprecated, but what is to replace it
compiles C++ where it runs, or runs Python; where a later torch lacks it, the step runs as it is written.
"""

import threading
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from agent_reasoning.networks import packed
from agent_reasoning.networks.batch import FlatLinks, Pairs, ProblemBatch, Wires
from agent_reasoning.networks.carry import Carry
from agent_reasoning.networks.structured import StructuredCarry, StructuredNetwork

Stepped = tuple[Tensor, Tensor, Tensor]  # choices (B, L), q_halt_logits (B,), logits (B, L, V)
LINKS = ("source", "target", "starts", "share")


class StepRunner:
    """Steps a network for serving: choices instead of logits, and the next carry written where the caller keeps it, so
    that a step is one call. Records itself at the first step; any thread may call."""

    def __init__(self, network: StructuredNetwork, *, record: bool) -> None:
        self._step = (_PackedStep if network.config.packed else _Step)(network).eval()
        self._recorded: Callable[[list[Tensor]], Stepped] | None = None
        self._record = record
        self._recording = threading.Lock()

    def __call__(self, inputs: Sequence[Tensor], carry: Carry, into: Carry) -> Stepped:
        """`inputs`: see `flatten`; `into` may be `carry` itself.

        Of a packed network `carry` is that of the open pairs and `into` that of all; `inputs`: which of them are open, the
        question, and the tensors of `Packed`.
        """
        given = [*carry, *into, *inputs]
        if not self._record:
            written: Stepped = self._step(given)
            return written
        if self._recorded is None:
            with self._recording:
                if self._recorded is None:
                    self._recorded = record(self._step, given)
        # A tensor that only Python refers to takes the interpreter's lock each time the graph is done with it, a dozen
        # times a step; one that stands in a list of the graph's own does not.
        return self._recorded(torch._C.ScriptList(given))  # type: ignore[arg-type]


def flatten(problems: ProblemBatch, embedded: Tensor, wires: Wires) -> tuple[Tensor, ...]:
    """All that a step reads beside the carry, in the order that it takes it. `embedded`: what `embed` gave."""
    links = (wires.sets, wires.members) if wires.relations is None else (wires.sets, wires.members, wires.relations)
    tables = [getattr(of, name) for of in links for name in LINKS]
    held = () if problems.held is None else (problems.held,)
    return (embedded, problems.present, problems.allowed, problems.amounts, *held, *wires.kinds, *tables)


class _Step(nn.Module):
    """A step as a function of tensors alone."""

    def __init__(self, network: StructuredNetwork) -> None:
        super().__init__()
        self.network = network
        self.kinds = 1 + len(network.config.spec.groups)
        self.holds = network.config.spec.holds

    def forward(self, given: list[Tensor]) -> Stepped:
        z_H, z_L, next_z_H, next_z_L, embedded, present, allowed, amounts, *rest = given
        held, rest = (rest[0], rest[1:]) if self.holds else (None, rest)
        kinds, tables = rest[: self.kinds], rest[self.kinds :]
        links = [FlatLinks(*tables[start : start + len(LINKS)]) for start in range(0, len(tables), len(LINKS))]
        wires = Wires(links[2] if len(links) > 2 else None, links[0], tuple(kinds), links[1])
        carry, output = self.network.step(
            StructuredCarry(z_H, z_L), Pairs(present, allowed, amounts, held), embedded, wires
        )
        next_z_H.copy_(carry.z_H)
        next_z_L.copy_(carry.z_L)
        return output.logits.argmax(-1), output.q_halt_logits, output.logits


class _PackedStep(nn.Module):
    """Likewise, over the open pairs."""

    def __init__(self, network: StructuredNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: list[Tensor]) -> Stepped:
        z_H, z_L, kept_z_H, kept_z_L, where, embedded, *tables = given
        carry, output = packed.step(self.network, (z_H, z_L), packed.Packed(*tables), embedded)
        for kept, z in zip((kept_z_H, kept_z_L), carry, strict=True):
            kept.index_copy_(0, where, z)
        return output.logits.argmax(-1), output.q_halt_logits, output.logits


def record(step: nn.Module, given: list[Tensor]) -> Callable[[list[Tensor]], Stepped]:
    """Two rows or one, large or small: sizes are recorded as what they are read from, so one graph serves all."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # that it is deprecated is known
            plain = [tensor.clone() for tensor in given]  # what was made in inference mode cannot be recorded
            traced = torch.jit.trace(step, (plain,), check_trace=False)  # type: ignore[no-untyped-call]
            recorded: Callable[[list[Tensor]], Stepped] = torch.jit.freeze(traced)
            return recorded
    except Exception:  # a torch that has no tracer, or whose tracer cannot do this
        return step
