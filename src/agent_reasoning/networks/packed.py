"""Only the pairs that still say something to each other: a network for searches in which candidates go.

A pair is *open* where it may be answered and one of its sets (its cell, a group) has another pair that may be. A set with fewer
than two such pairs says nothing. What is not open holds no state, says nothing and hears nothing, so a step need not compute
it: in a search for a Sudoku's answer four of five pairs are soon closed, and a step costs a third of one over all of them, or less.

The N open pairs of B problems of L cells and V candidates stand as the rows of one matrix, in the problems' own order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.networks.batch import Links
from agent_reasoning.networks.carry import Carry
from agent_reasoning.networks.structured import (
    FORBIDDEN_LOGIT,
    Layout,
    MessageBlock,
    StructuredNetwork,
    StructuredOutput,
    dot,
)
from agent_reasoning.problem import Ints


@dataclass(frozen=True, slots=True)
class Packed(Layout):
    """Where the open pairs stand, and how their messages go. Live sets stand kind by kind, of each kind in as many places."""

    leaves_out = True
    allowed: Tensor  # (B, L, V) bool
    rows: Tensor  # (N,) int64, ascending: which of the B * L * V pairs
    cells: Tensor  # (B * L,) int64: the first row of each cell
    source: Tensor  # (E,) int64: which of the N * kinds messages goes in
    target: Tensor  # (E,) int64, ascending: to which set
    starts: Tensor  # (S,) int64: the first entry of each set
    share: Tensor  # (S, 1) float32: 1 / all pairs of the set, gone ones too
    back: Tensor  # (E,) int64: the entries in the order of their messages
    member_of: Tensor  # (E,) int64: the sets that they go into
    messages: Tensor  # (N * kinds,) int64: the first of these of each message
    members: Tensor  # (N,) int64: the first of these of each row

    def tensors(self) -> tuple[Tensor, ...]:
        """In the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def to(self, device: str) -> "Packed":
        return self if device == "cpu" else Packed(*(tensor.to(device) for tensor in self.tensors()))

    def heard(self, block: MessageBlock, h: Tensor, spoken: Tensor) -> Tensor:
        """(N, D), (N, kinds * M) -> (N, 2 * inner)"""
        said = spoken.view(-1, block.message)
        pool, spread = (Pooling.apply, Spreading.apply) if torch.is_grad_enabled() else (pooled, spread_out)
        total, largest = pool(said, self)
        sets = torch.cat([total * self.share, largest], -1).view(len(block.hear), -1, 2 * block.message)
        heard: Tensor = block.own(h) + spread(torch.bmm(sets, block.hearing()).flatten(0, 1), self)
        return heard


def pooled(said: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
    """(N * kinds, M) not negative -> two of (S, M): the sum and the maximum over each set's entries."""
    total = F.embedding_bag(packed.source, said, packed.starts, mode="sum")
    entering = said.index_select(0, packed.source)
    index = packed.target.unsqueeze(1).expand_as(entering)
    return total, torch.zeros_like(total).scatter_reduce_(0, index, entering, "amax")


def spread_out(told: Tensor, packed: Packed) -> Tensor:
    """(S, E) -> (N, E): to each row the sum over its sets."""
    return F.embedding_bag(packed.member_of, told, packed.members, mode="sum")


class Pooling(torch.autograd.Function):
    """`pooled`, with gradients by the same lists read backwards: torch's own sort them anew each time."""

    @staticmethod
    def forward(ctx: Any, said: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
        total, largest = pooled(said, packed)
        ctx.packed = packed
        ctx.save_for_backward(said, largest)
        return total, largest

    @staticmethod
    def backward(ctx: Any, of_total: Tensor, of_largest: Tensor) -> tuple[Tensor, None]:
        (said, largest), packed = ctx.saved_tensors, ctx.packed
        is_largest = (said.index_select(0, packed.source) == largest.index_select(0, packed.target)).to(said.dtype)
        entries = torch.arange(len(packed.source), device=said.device)
        equals = F.embedding_bag(entries, is_largest, packed.starts, mode="sum").clamp(min=1)
        total, shared = (of.index_select(0, packed.target) for of in (of_total, of_largest / equals))
        of_entries = torch.addcmul(total, is_largest, shared)
        return F.embedding_bag(packed.back, of_entries, packed.messages, mode="sum"), None


class Spreading(torch.autograd.Function):
    """`spread_out`, likewise."""

    @staticmethod
    def forward(ctx: Any, told: Tensor, packed: Packed) -> Tensor:
        ctx.packed = packed
        return spread_out(told, packed)

    @staticmethod
    def backward(ctx: Any, of_rows: Tensor) -> tuple[Tensor, None]:
        packed = ctx.packed
        kinds = len(packed.messages) // len(packed.members)
        of_sets = packed.source.div(kinds, rounding_mode="floor")
        return F.embedding_bag(of_sets, of_rows.contiguous(), packed.starts, mode="sum"), None


@dataclass(frozen=True, slots=True)
class Sets:
    """The E entries of pairs into the R sets of B problems, of which `pack` keeps those that matter; numbered kind by kind."""

    kinds: int
    pair: Ints  # [E] which of the B * L * V speaks
    kind: Ints  # [E] to which kind of set, which is on which channel
    target: Ints  # [E] to which set, ascending
    by_message: Ints  # [E] the entries in the order of (pair, kind)
    kind_of: Ints  # [R]
    share: NDArray[np.float32]  # [R] 1 / all pairs of the set

    @classmethod
    def of(cls, links: Links, counts: Sequence[int], shape: tuple[int, int, int]) -> "Sets":
        """`links`, `counts`: the `sets` and `set_counts` of a ProblemBatch that is on the CPU."""
        B, L, V = shape
        kinds, R = len(counts), sum(counts)
        source, target = links.source.numpy(), links.target.numpy()
        row, entry = np.nonzero(target < R)
        source, target = source[row, entry], target[row, entry]
        kind_of = np.repeat(np.arange(kinds), counts)
        # Set s of problem b, of kind k, stands after all sets of earlier kinds and those of the problems before it.
        numbers = np.arange(B * R).reshape(B, R)
        numbers = np.argsort(np.argsort((kind_of * B * R + numbers).ravel())).reshape(B, R)
        pair, kind, target = row * L * V + source // kinds, source % kinds, numbers[row, target]
        order = np.argsort(target, kind="stable")
        pair, kind, target = pair[order], kind[order], target[order]
        share = np.empty(B * R, np.float32)
        share[numbers.ravel()] = links.share.numpy().ravel()
        by_message = np.argsort(pair * kinds + kind, kind="stable")
        return cls(
            kinds, pair, kind, target, by_message, np.repeat(np.arange(kinds), [count * B for count in counts]), share
        )


def pack(allowed: NDArray[np.bool_], sets: Sets) -> Packed:
    """`allowed` [B, L, V], of the shape that the sets are of."""
    kinds = sets.kinds
    there = allowed.ravel()[sets.pair]
    live = np.bincount(sets.target[there], minlength=len(sets.share)) > 1
    kept = there & live[sets.target]
    is_open = np.zeros(allowed.size, bool)
    is_open[sets.pair[kept]] = True
    rows = np.flatnonzero(is_open)
    number = np.cumsum(is_open) - 1

    alive = np.flatnonzero(live)
    of_kind = np.bincount(sets.kind_of[alive], minlength=kinds)
    room = max(1, int(of_kind.max()))
    place = np.zeros(len(live), np.int64)
    ahead = room * np.arange(kinds) - first_of(of_kind)  # what the rooms of earlier kinds leave empty
    place[alive] = np.arange(len(alive)) + ahead[sets.kind_of[alive]]
    share = np.ones(kinds * room, np.float32)
    share[place[alive]] = sets.share[alive]

    target = place[sets.target[kept]]
    message = number[sets.pair[kept]] * kinds + sets.kind[kept]
    back = sets.by_message[kept[sets.by_message]]
    messages = first_of(np.bincount(message, minlength=len(rows) * kinds))
    return Packed(
        torch.from_numpy(allowed),
        *map(
            torch.from_numpy,
            (
                rows,
                first_of(is_open.reshape(-1, allowed.shape[2]).sum(1)),
                message,
                target,
                first_of(np.bincount(target, minlength=kinds * room)),
                share[:, None],
                (np.cumsum(kept) - 1)[back],
                place[sets.target[back]],
                messages,
                messages[::kinds].copy(),
            ),
        ),
    )


def first_of(counts: Ints) -> Ints:
    """Where each run of so many begins."""
    first: Ints = np.cumsum(counts) - counts
    return first


def embed(network: StructuredNetwork, packed: Packed, tokens: Tensor) -> Tensor:
    """(B, L) -> (N, D): `StructuredNetwork.embed` of the open pairs, of problems without features."""
    V = packed.allowed.shape[-1]
    share = packed.allowed.sum(-1).clamp(min=1).reciprocal().flatten()
    cell = packed.rows.div(V, rounding_mode="floor")
    of_rows = share.index_select(0, cell).unsqueeze(1)
    known = network.embed_candidate(torch.cat([torch.ones_like(of_rows), of_rows], 1))
    embedded: Tensor = network.embed_token(tokens.flatten().index_select(0, cell)) + known
    return embedded


def step(network: StructuredNetwork, carry: Carry, packed: Packed, x: Tensor) -> tuple[Carry, StructuredOutput]:
    """`StructuredNetwork.step` over the open pairs, whose carry is (N, D) twice; the next one is on the graph."""
    (z_H, z_L), rows = carry, packed.rows
    last = answer_logits(network, z_H, packed).softmax(-1).flatten().index_select(0, rows).detach()
    z_H, z_L = network.recur(z_H, z_L, x + network.embed_answer(last.unsqueeze(1).to(x.dtype)), None, packed)
    logits = answer_logits(network, z_H, packed)
    return (z_H, z_L), StructuredOutput(logits, believe(network, z_H, logits, packed))


def answer_logits(network: StructuredNetwork, z_H: Tensor, packed: Packed) -> Tensor:
    """(N, D) -> (B, L, V). What may be answered and is not open stands alone in its cell: 0."""
    silent = torch.zeros_like(packed.allowed, dtype=torch.float32).masked_fill(~packed.allowed, FORBIDDEN_LOGIT)
    of_rows = dot(z_H, network.head).float()
    return silent.flatten().index_copy(0, packed.rows, of_rows).view(packed.allowed.shape)


def believe(network: StructuredNetwork, z_H: Tensor, logits: Tensor, packed: Packed) -> Tensor:
    """(B,): `StructuredNetwork` judges the cells that have open pairs."""
    B, L, _ = packed.allowed.shape
    answer = logits.detach().softmax(-1)
    mine = answer.flatten().index_select(0, packed.rows).unsqueeze(1).to(z_H.dtype)
    seen = network.update(z_H + network.embed_answer(mine), None, packed) * mine
    each = torch.ones_like(packed.rows).cumsum(0) - 1
    state = F.embedding_bag(each, seen, packed.cells, mode="sum").view(B, L, -1)
    last = torch.cat([packed.cells[1:], torch.ones_like(packed.rows).sum().unsqueeze(0)])
    return network.judge(state, answer.to(z_H.dtype), (last > packed.cells).view(B, L))
