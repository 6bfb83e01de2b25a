"""Slots for trajectories of one bucket: their carry and inputs in preallocated tensors, stepped together."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.engine.noise import NoiseStream, disturbed

Choice = NDArray[np.int64]
Rows = slice | Tensor


@dataclass(frozen=True, slots=True)
class Refined:
    """The answers after one refinement step, B rows."""

    choices: Choice  # [B, L]
    q_halt_logits: NDArray[np.float32]  # [B]


class Ticket(Protocol):
    """A step that has been started."""

    def read(self) -> Refined:
        """Its answers. Waits for the device where need be, so it is not for the engine's thread."""
        ...


class Pool(Protocol):
    """What the engine needs of a bucket's slots."""

    @property
    def capacity(self) -> int: ...
    @property
    def rows_at_once(self) -> int:
        """How many slots one `step` takes at most."""
        ...

    def enter(self, slots: Sequence[int], arranged: Any, streams: Sequence[NoiseStream]) -> None:
        """Begin trajectories of one problem, each in its slot; no other slot is touched."""
        ...

    def step(self, slots: Sequence[int]) -> Ticket:
        """One supervision step for these slots; no other slot is touched."""
        ...


class TensorPool(ABC):
    """The carry (z_H, z_L), where a model keeps it, and how rows are picked.

    `threads`: what an operation on a CPU may use. One for small models: they lose more by waking others than they
    gain, and how an operation is cut up would show in an answer's last bits.

    `whole`: every step runs all slots and keeps the results of those asked for. That costs nothing on a GPU that the
    slots do not fill, and shapes and addresses never change. Otherwise a step runs the rows that it is asked for.
    """

    def __init__(self, carry_shape: tuple[int, ...], dtype: torch.dtype, device: str, capacity: int, *, noise: float,
                 rows_at_once: int, threads: int, whole: bool) -> None:  # fmt: skip
        self.capacity = capacity
        self.rows_at_once = capacity if whole else min(rows_at_once, capacity)
        self._whole, self._noise, self._device, self._threads = whole, noise, device, threads
        self._z_H, self._z_L = torch.zeros((2, capacity, *carry_shape), dtype=dtype, device=device).unbind(0)
        self._steps = [0] * capacity
        self._views: dict[int, Any] = {}
        self._streams = [NoiseStream(0, 0)] * capacity

    @abstractmethod
    def _put(self, slot: int, arranged: Any, stream: NoiseStream) -> tuple[Tensor, Tensor]:
        """Write a problem's inputs into a slot; returns its first z_H and z_L."""

    @abstractmethod
    def _inputs(self, rows: Rows) -> Any:
        """What the step of these rows reads beside the carry: views, where `rows` is one slot."""

    @abstractmethod
    def _refine(self, inputs: Any, z_H: Tensor, z_L: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One supervision step of the rows of `inputs`: next z_H and z_L, choices (B, L), q_halt_logits (B,)."""

    @torch.inference_mode()
    def enter(self, slots: Sequence[int], arranged: Any, streams: Sequence[NoiseStream]) -> None:
        for slot, stream in zip(slots, streams, strict=True):
            self._z_H[slot], self._z_L[slot] = self._put(slot, arranged, stream)
            self._steps[slot], self._streams[slot] = 0, stream

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> Ticket:
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        for slot in slots:
            self._steps[slot] += 1
        stepped = range(self.capacity) if self._whole else slots
        rows = slice(None) if self._whole else pick(slots)
        keys = [self._streams[slot].key(self._steps[slot]) if self._noise else 0 for slot in stepped]
        z_H, z_L = disturbed(self._z_H[rows], self._z_L[rows], self._noise, keys)
        z_H, z_L, choices, q_halt_logits = self._refine(self._inputs_of(slots, rows), z_H, z_L)
        if self._whole:
            asked = torch.zeros((self.capacity, *[1] * (z_H.ndim - 1)), dtype=torch.bool)
            asked[list(slots)] = True
            asked = asked.to(self._device, non_blocking=True)
            z_H, z_L = torch.where(asked, z_H, self._z_H), torch.where(asked, z_L, self._z_L)
        self._z_H[rows], self._z_L[rows] = z_H, z_L
        return ticket(choices, q_halt_logits, list(slots) if self._whole else None)

    def _inputs_of(self, slots: Sequence[int], rows: Rows) -> Any:
        """A slot's views stay what they are, and to make a dozen of them costs as much as some operations do."""
        if self._whole or len(slots) > 1:
            return self._inputs(rows)
        if slots[0] not in self._views:
            self._views[slots[0]] = self._inputs(rows)
        return self._views[slots[0]]


def pick(slots: Sequence[int]) -> Rows:
    """An index for these rows: a slice, which copies nothing, where they stand together."""
    first = slots[0]
    if list(slots) == list(range(first, first + len(slots))):
        return slice(first, first + len(slots))
    return torch.tensor(slots)


def ticket(choices: Tensor, q_halt_logits: Tensor, of: list[int] | None) -> Ticket:
    """`of`: the rows that were asked for, where more were run."""
    if choices.device.type == "cpu":
        return _Ready(choices, q_halt_logits.float(), of)
    return _Copying(choices, q_halt_logits.float(), of)


@dataclass(frozen=True, slots=True)
class _Ready:
    choices: Tensor
    q_halt_logits: Tensor
    of: list[int] | None

    def read(self) -> Refined:
        choices, logits = self.choices.numpy(), self.q_halt_logits.numpy()
        return Refined(choices, logits) if self.of is None else Refined(choices[self.of], logits[self.of])


class _Copying:
    """On its way from a GPU into pinned memory; the event says when it is there."""

    def __init__(self, choices: Tensor, q_halt_logits: Tensor, of: list[int] | None) -> None:
        pinned = [torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for value in (choices, q_halt_logits)]
        for to, value in zip(pinned, (choices, q_halt_logits), strict=True):
            to.copy_(value, non_blocking=True)
        self._choices, self._q_halt_logits = pinned
        self._of = of
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._arrived.record(torch.cuda.current_stream(choices.device))

    def read(self) -> Refined:
        self._arrived.synchronize()
        return _Ready(self._choices, self._q_halt_logits, self._of).read()


def out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no room for a tensor."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
