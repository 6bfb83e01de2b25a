"""Slots of a packed network (`networks.packed`), whose problems lose candidates from step to step: a step computes the pairs that
are still open, and writes their carry back to where the slot keeps all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from agent_reasoning.engine.noise import NoiseStream, gaussians
from agent_reasoning.engine.pool import Candidates, Rows, TensorPool
from agent_reasoning.networks.batch import Links, ProblemBatch, Shape, tensors_of
from agent_reasoning.networks.carry import Carry
from agent_reasoning.networks.packed import Sets, embed, first_of, pack
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.networks.traced import StepRunner

LANES_AT_ONCE = 8  # of one search, which has 16 of 64 slots; half as many in two cores' steps take a tenth longer


@dataclass(frozen=True, slots=True)
class Open:
    """The open pairs of some slots, as long as none of them begins another problem or loses a candidate."""

    slots: tuple[int, ...]
    begun: tuple[int, ...]  # how many problems each slot has had
    narrowed: tuple[int, ...]  # how often its candidates have been changed
    sets: Sets
    where: Tensor  # (N,) int64: among the pairs of all slots
    place: Tensor  # (N,) int64: among `most` for each of these slots
    most: int  # open pairs of one slot
    inputs: tuple[Tensor, ...]  # as the runner takes them


class PackedPool(TensorPool):
    """On a CPU a step takes a few lanes of one job, so that what it rounds follows from the request alone."""

    def __init__(
        self, network: StructuredNetwork, runner: StepRunner, shape: Shape, capacity: int, device: str, *,
        noise: float,
    ) -> None:  # fmt: skip
        carry = (shape.cells, shape.width, network.config.hidden)
        super().__init__(
            carry, torch.float32, device, capacity,
            noise=noise, rows_at_once=LANES_AT_ONCE if device == "cpu" else capacity, threads=1, whole=False,
        )  # fmt: skip
        self.one_job = device == "cpu"
        self._network, self._run, self._shape = network, runner, shape
        self._kept = self._z_H.flatten(0, 2), self._z_L.flatten(0, 2)
        self._tokens = torch.zeros((capacity, shape.cells), dtype=torch.int64)
        self._links: list[Links | None] = [None] * capacity
        self._allowed = np.zeros((capacity, shape.cells, shape.width), bool)
        self._begun, self._narrowed = [0] * capacity, [0] * capacity
        self._last: list[Open | None] = [None] * capacity
        self._usual: Links | None = None  # of the last problem that was new: those of all Sudokus are equal
        self._joined: dict[int, tuple[Links, Sets]] = {}  # by the number of slots that share them
        self.size_bytes = 3 * (self._z_H.nbytes + self._z_L.nbytes)  # the tables of a slot take up to twice its carry

    def _put(self, slot: int, arranged: ProblemBatch, stream: NoiseStream) -> Carry:
        if self._usual is None or not same(self._usual, arranged.sets):
            self._usual = arranged.sets
        self._tokens[slot], self._links[slot] = arranged.tokens[0], self._usual
        self._begun[slot] += 1
        self._set(slot, arranged.allowed[0].numpy())
        return self._fresh()

    @torch.inference_mode()
    def narrow(self, slot: int, candidates: Candidates, stream: NoiseStream | None) -> None:
        self._set(slot, candidates)
        if stream is not None:
            self._z_H[slot], self._z_L[slot] = self._fresh()
            self._steps[slot], self._streams[slot] = 0, stream

    def _step_rows(self, slots: Sequence[int], keys: Sequence[int]) -> tuple[Tensor, ...]:
        now = self._now(tuple(slots))
        z_H, z_L = (kept.index_select(0, now.where) for kept in self._kept)
        if any(keys):
            noise_H, noise_L = self._drawn(keys, now)
            z_H, z_L = z_H + noise_H, z_L + noise_L
        return self._run(now.inputs, (z_H, z_L), self._kept)

    def _now(self, slots: tuple[int, ...]) -> Open:
        begun, narrowed = tuple(self._begun[slot] for slot in slots), tuple(self._narrowed[slot] for slot in slots)
        last = self._last[slots[0]]
        of_these = last is not None and (last.slots, last.begun) == (slots, begun)
        if last is not None and of_these and last.narrowed == narrowed:
            return last
        sets = last.sets if last is not None and of_these else self._sets_of(slots)
        pairs = pack(self._allowed[list(slots)], sets)
        of_slot, of_pair = np.divmod(pairs.rows.numpy(), self._shape.pairs)
        counts = np.bincount(of_slot, minlength=len(slots))
        where = torch.from_numpy(np.array(slots)[of_slot] * self._shape.pairs + of_pair).to(self._device)
        # A slot's noise goes to its own open pairs, whoever steps beside it.
        most = int(counts.max())
        rank = np.arange(len(of_slot)) - first_of(counts)[of_slot]
        place = torch.from_numpy(of_slot * most + rank).to(self._device)
        tokens = self._tokens[list(slots)].to(self._device)
        pairs = pairs.to(self._device)
        inputs = (where, embed(self._network, pairs, tokens), *pairs.tensors())
        found = Open(slots, begun, narrowed, sets, where, place, most, inputs)
        for slot in slots:
            self._keep(slot, found)
        return found

    def _keep(self, slot: int, found: Open) -> None:
        """In place of what was kept, which no other slot may keep either: tables of so many slots must not add up. A worker
        that is at another of those slots at the moment has its own already, or makes them anew."""
        last, self._last[slot] = self._last[slot], found
        for other in last.slots if last is not None else ():
            if self._last[other] is last:
                self._last[other] = None

    def _sets_of(self, slots: tuple[int, ...]) -> Sets:
        links = [links for slot in slots if (links := self._links[slot]) is not None]
        assert len(links) == len(slots), "slots are stepped that nobody has entered"
        shared = links[0] if self.one_job and all(each is links[0] for each in links) else None
        known = self._joined.get(len(slots))
        if known is not None and known[0] is shared:
            return known[1]
        joined = Links(*map(torch.cat, zip(*map(tensors_of, links), strict=True)))
        sets = Sets.of(joined, self._shape.sets, (len(slots), self._shape.cells, self._shape.width))
        if shared is not None:
            self._joined[len(slots)] = shared, sets
        return sets

    def _drawn(self, keys: Sequence[int], now: Open) -> tuple[Tensor, Tensor]:
        """(N, D) each, for z_H and z_L."""
        width = self._network.config.hidden
        drawn = gaussians(torch.tensor(keys, device=self._device), now.most * width)
        noise_H, noise_L = ((noise * self._noise).view(-1, width).index_select(0, now.place) for noise in drawn)
        return noise_H, noise_L

    def _fresh(self) -> Carry:
        shape = (self._shape.cells, self._shape.width, self._network.config.hidden)
        return self._network.H_init.expand(shape), self._network.L_init.expand(shape)

    def _set(self, slot: int, candidates: Candidates) -> None:
        cells, width = candidates.shape
        allowed = self._allowed[slot, :cells, :width]
        if not np.array_equal(allowed, candidates):
            allowed[:] = candidates
            self._narrowed[slot] += 1

    def _inputs(self, rows: Rows) -> NoReturn:
        raise NotImplementedError("what a step reads follows from the candidates that are left")

    def _refine(self, inputs: Any, carry: Carry, into: Carry) -> NoReturn:
        raise NotImplementedError("see `_step_rows`")


def same(one: Links, other: Links) -> bool:
    return one is other or all(map(torch.equal, tensors_of(one), tensors_of(other)))
