"""Slots for trajectories of one bucket: their carry and inputs in preallocated tensors, stepped together."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.engine.noise import NoiseStream, disturbed
from agent_reasoning.networks.carry import Carry

ALIGNED = 64  # bytes: as torch has it, for operations round by it

Choice = NDArray[np.int64]
Candidates = NDArray[np.bool_]  # [L, V]
Rows = slice | Tensor


@dataclass(frozen=True, slots=True)
class Refined:
    """The answers after one refinement step, B rows."""

    choices: Choice  # [B, L]
    q_halt_logits: NDArray[np.float32]  # [B]
    logits: NDArray[np.float32] | None = None  # [B, L, V], of models that deduce, or are told what is held


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
    def size_bytes(self) -> int:
        """What all its slots hold."""
        ...

    @property
    def rows_at_once(self) -> int:
        """How many slots one `step` takes at most."""
        ...

    @property
    def one_job(self) -> bool:
        """Whether a step is to take slots of one job alone, in the order of its samples: because what a step rounds depends on
        which slots share it, and what a job is answered must follow from the request alone."""
        ...

    def enter(self, slots: Sequence[int], arranged: Any, streams: Sequence[NoiseStream]) -> None:
        """Begin trajectories of one problem, each in its slot; no other slot is touched."""
        ...

    def step(self, slots: Sequence[int]) -> Ticket:
        """One supervision step for these slots; no other slot is touched."""
        ...

    def narrow(self, slot: int, candidates: Candidates, stream: NoiseStream | None) -> None:
        """What the problem in this slot may be answered with from now on. With a stream its trajectory begins anew. No step
        of the slot is under way. Only of models that deduce."""
        ...

    def hold(self, slot: int, held: Choice) -> None:
        """What the search of the problem in this slot holds, -1 where nothing; until it is told otherwise. No step of the slot
        is under way. Only of models that are told it."""
        ...


class TensorPool(ABC):
    """The carry (z_H, z_L), where a model keeps it, and how rows are picked.

    `threads`: what an operation on a CPU may use. One for small models: they lose more by waking others than they
    gain, and how an operation is cut up would show in an answer's last bits.

    `whole`: every step runs all slots and keeps the results of those asked for. That costs nothing on a GPU that the
    slots do not fill, and shapes and addresses never change. Otherwise a step runs the rows that it is asked for.
    """

    one_job = False

    def __init__(self, carry_shape: tuple[int, ...], dtype: torch.dtype, device: str, capacity: int, *, noise: float,
                 rows_at_once: int, threads: int, whole: bool) -> None:  # fmt: skip
        self.capacity = capacity
        self.rows_at_once = capacity if whole else min(rows_at_once, capacity)
        self._whole, self._noise, self._device, self._threads = whole, noise, device, threads
        self._z_H, self._z_L = zeros((2, capacity, *carry_shape), dtype, device).unbind(0)
        self._steps = [0] * capacity
        self._views: dict[int, tuple[Any, Carry]] = {}
        self._streams = [NoiseStream(0, 0)] * capacity

    @abstractmethod
    def _put(self, slot: int, arranged: Any, stream: NoiseStream) -> tuple[Tensor, Tensor]:
        """Write a problem's inputs into a slot; returns its first z_H and z_L."""

    @abstractmethod
    def _inputs(self, rows: Rows) -> Any:
        """What the step of these rows reads beside the carry: views, where `rows` is one slot."""

    @abstractmethod
    def _refine(self, inputs: Any, carry: Carry, into: Carry) -> tuple[Tensor, ...]:
        """One supervision step of the rows of `inputs`: the next carry is written into `into`, which may be `carry`
        itself. Returns what `Refined` is made of."""

    @torch.inference_mode()
    def enter(self, slots: Sequence[int], arranged: Any, streams: Sequence[NoiseStream]) -> None:
        self._use_threads()
        for slot, stream in zip(slots, streams, strict=True):
            self._z_H[slot], self._z_L[slot] = self._put(slot, arranged, stream)
            self._steps[slot], self._streams[slot] = 0, stream

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> Ticket:
        self._use_threads()
        for slot in slots:
            self._steps[slot] += 1
        keys = [self._streams[slot].key(self._steps[slot]) if self._noise else 0 for slot in slots]
        if self._whole:
            return ticket(self._step_all(dict(zip(slots, keys, strict=True))), list(slots))
        return ticket(self._step_rows(slots, keys), None)

    def _step_rows(self, slots: Sequence[int], keys: Sequence[int]) -> tuple[Tensor, ...]:
        """These slots take the step, and no others. `keys`: of their noise."""
        rows = pick(slots)
        inputs, into = self._views_of(slots[0]) if len(slots) == 1 else (self._inputs(rows), self._carry(rows))
        refined = self._refine(inputs, disturbed(*into, self._noise, keys), into)
        if not isinstance(rows, slice):  # then it was written into copies
            self._z_H[rows], self._z_L[rows] = into
        return refined

    def _use_threads(self) -> None:
        """Of the calling thread, as torch keeps it."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)

    def narrow(self, slot: int, candidates: Candidates, stream: NoiseStream | None) -> None:
        raise NotImplementedError("this model does not deduce")

    def hold(self, slot: int, held: Choice) -> None:
        raise NotImplementedError("this model is not told what is held")

    def _step_all(self, keys: Mapping[int, int]) -> tuple[Tensor, ...]:
        """Every slot takes the step, and those with a key keep it."""
        z_H, z_L = disturbed(self._z_H, self._z_L, self._noise, [keys.get(slot, 0) for slot in range(self.capacity)])
        into = torch.empty_like(self._z_H), torch.empty_like(self._z_L)
        refined = self._refine(self._inputs(slice(None)), (z_H, z_L), into)
        asked = torch.tensor(list(keys)).to(self._device, non_blocking=True)
        for stored, stepped in zip((self._z_H, self._z_L), into, strict=True):
            stored.index_copy_(0, asked, stepped[asked])  # no other row: another thread may just have begun there
        return refined

    def _carry(self, rows: Rows) -> Carry:
        return self._z_H[rows], self._z_L[rows]

    def _views_of(self, slot: int) -> tuple[Any, Carry]:
        """They stay what they are, and to make a dozen of them costs as much as some operations do."""
        if slot not in self._views:
            rows = slice(slot, slot + 1)
            self._views[slot] = self._inputs(rows), self._carry(rows)
        return self._views[slot]


def zeros(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> Tensor:
    """As `torch.zeros`, but on a CPU without touching the memory, which the system then gives when a slot is written:
    of 64 slots most are never used."""
    if device != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    count = math.prod(shape) * dtype.itemsize
    raw = np.zeros(count + ALIGNED, np.uint8)
    start = -raw.ctypes.data % ALIGNED
    return torch.from_numpy(raw[start : start + count]).view(dtype).view(shape)


def pick(slots: Sequence[int]) -> Rows:
    """An index for these rows: a slice, which copies nothing, where they stand together."""
    first = slots[0]
    if list(slots) == list(range(first, first + len(slots))):
        return slice(first, first + len(slots))
    return torch.tensor(slots)


def ticket(refined: Sequence[Tensor], of: list[int] | None) -> Ticket:
    """`of`: the rows that were asked for, where more were run."""
    choices, *logits = refined
    made = [choices, *(value.float() for value in logits)]
    return _Ready(made, of) if choices.device.type == "cpu" else _Copying(made, of)


@dataclass(frozen=True, slots=True)
class _Ready:
    made: Sequence[Tensor]
    of: list[int] | None

    def read(self) -> Refined:
        arrays = [value.numpy() for value in self.made]
        return Refined(*(arrays if self.of is None else [array[self.of] for array in arrays]))


class _Copying:
    """On its way from a GPU into pinned memory; the event says when it is there."""

    def __init__(self, made: Sequence[Tensor], of: list[int] | None) -> None:
        self._pinned = [torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for value in made]
        for to, value in zip(self._pinned, made, strict=True):
            to.copy_(value, non_blocking=True)
        self._of = of
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._arrived.record(torch.cuda.current_stream(made[0].device))

    def read(self) -> Refined:
        self._arrived.synchronize()
        return _Ready(self._pinned, self._of).read()


def out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no room for a tensor."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
