"""TRM's recursion over a problem's own structure: message passing where the published model has attention.

The recursion is TRM's (arXiv 2510.04871, Fig. 3): a carry of z_H (the answer so far) and z_L (the reasoning latent),
`H_cycles` × (`L_cycles` updates of z_L, one of z_H) in each supervision step, one network for both, a halting head,
gradients through the last cycle only, the carry detached between supervision steps. What differs is the network: a
state for each (cell, candidate) pair, weights shared over pairs, and messages along typed relations, groups and
cells in place of mixing by attention or position. One implementation serves graphs (relations) and grids (groups).
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent_reasoning.networks.batch import FlatLinks, KnownPairs, Pairs, ProblemBatch, Wires
from agent_reasoning.problem import ProblemSpec, RelationSpec

FORBIDDEN_LOGIT = -1e9  # finite, so that a padded cell's softmax is uniform instead of nan


@dataclass(frozen=True, slots=True)
class StructuredConfig:
    """Sizes of a structured network; saved beside the weights."""

    spec: ProblemSpec
    hidden: int = 32
    expansion: int = 2
    H_cycles: int = 2
    L_cycles: int = 2
    blocks: int = 1
    packed: bool = False
    """Only open pairs are computed (`networks.packed`): for searches in which candidates go."""

    def __post_init__(self) -> None:
        spec = self.spec
        if self.packed and (
            spec.relations or spec.sums or spec.ties or spec.holds or spec.cell_features or spec.candidate_features
        ):
            raise ValueError("a packed network is for problems of tokens and groups alone")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "StructuredConfig":
        """Undo `to_dict` after a trip through JSON. Raises KeyError or TypeError where a field does not fit."""
        spec = dict(data["spec"])
        relations = tuple(RelationSpec(**relation) for relation in spec.pop("relations"))
        views, holds = tuple(map(tuple, spec.pop("views", ()))), bool(spec.pop("holds", False))
        data = {**data, "packed": bool(data.get("packed", False))}
        names = {name: tuple(values) for name, values in spec.items()}
        return cls(**{**data, "spec": ProblemSpec(relations=relations, views=views, holds=holds, **names)})

    @property
    def applications_per_step(self) -> int:
        """How often one supervision step applies the network."""
        return self.H_cycles * (self.L_cycles + 1) + 1  # the last one judges the answer


@dataclass(frozen=True, slots=True)
class StructuredCarry:
    """What one supervision step hands to the next, for B problems of L cells and V candidates."""

    z_H: Tensor  # (B, L, V, D) the answer so far, embedded
    z_L: Tensor  # (B, L, V, D) the reasoning latent


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    logits: Tensor  # (B, L, V) float32; FORBIDDEN_LOGIT where a candidate may not be answered
    q_halt_logits: Tensor  # (B,) float32; > 0 is "I believe this answer", never more than a belief


def dot(x: Tensor, of: nn.Linear) -> Tensor:
    """(..., D) -> (...): a Linear of one output without its bias. As a product of matrices, its rounding would depend
    on how many rows there are; a problem's answer must not depend on what it shares a batch with."""
    return (x * of.weight[0]).sum(-1)


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-5)


def pool(rows: Tensor, links: FlatLinks) -> tuple[Tensor, Tensor]:
    """(N, M) non-negative -> two of (B, R, M): over the entries into each target, their mean and their maximum.

    A target without entries gets zeros. Neither depends on an order that a GPU's atomics would leave open: each sum
    is one thread's, and a maximum is the same in any order.
    """
    B, R, _ = links.share.shape
    total = F.embedding_bag(links.source, rows, links.starts, mode="sum")
    spoken = rows.index_select(0, links.source)
    index = links.target.unsqueeze(1).expand_as(spoken)
    largest = torch.zeros_like(total).scatter_reduce_(0, index, spoken, "amax")
    mean = total.view(B, R + 1, -1)[:, :R] * links.share
    return mean, largest.view(B, R + 1, -1)[:, :R]


def spread(told: Tensor, links: FlatLinks) -> Tensor:
    """(N, E) -> (B, R, E): to each target the sum over its entries."""
    B, R, _ = links.share.shape
    return F.embedding_bag(links.source, told, links.starts, mode="sum").view(B, R + 1, -1)[:, :R]


def put_shifted(heard: Tensor, said: Tensor, by: int) -> None:
    """Into `heard` (..., V, M), which is zero: candidate v hears candidate v - by; beyond either end is silence."""
    if by == 0:
        heard.copy_(said)
    elif by > 0:
        heard[..., by:, :] = said[..., :-by, :]
    else:
        heard[..., :by, :] = said[..., -by:, :]


class Layout(ABC):
    """How messages go where no tables are needed (`networks.dense`), or others than a batch's (`networks.packed`)."""

    leaves_out: ClassVar[bool] = False
    """Whether pairs that are gone are silent, as a packed network is told."""

    @abstractmethod
    def heard(self, block: "MessageBlock", h: Tensor, spoken: Tensor) -> Tensor:
        """(B, L, V, D) and what was said on each channel, (B, L, V, C * M) -> (B, L, V, 2 * inner), gate and up."""

    def judged(self, batch: Pairs | ProblemBatch) -> Tensor:
        """(B, L): the cells by which an answer is judged."""
        return batch.cells


class MessageBlock(nn.Module):
    """h <- rms(h + SwiGLU(h, messages)), with the messages added to the gate and up projections."""

    def __init__(self, config: StructuredConfig) -> None:
        super().__init__()
        spec, D = config.spec, config.hidden
        self.shifts = tuple(relation.shift for relation in spec.relations)
        self.message = D // 2
        inner = D * config.expansion
        channels = 1 + len(spec.relations) + len(spec.groups)
        self.speak = nn.Linear(D, channels * self.message)
        self.own = nn.Linear(D, 2 * inner)
        self.hear = nn.ModuleList(nn.Linear(2 * self.message, 2 * inner, bias=False) for _ in range(channels))
        self.down = nn.Linear(inner, D, bias=False)

    def hearing(self) -> Tensor:
        """(channels, 2 * M, 2 * inner): what each channel's messages are multiplied with."""
        return torch.stack([project.get_parameter("weight").T for project in self.hear])

    def forward(self, h: Tensor, batch: Pairs | ProblemBatch | None, wires: Wires | Layout) -> Tensor:
        """(B, L, V, D) -> (B, L, V, D)"""
        # Messages are non-negative so that zero stands for "nobody spoke" under both mean and max.
        spoken = F.relu(self.speak(h))
        if isinstance(wires, Wires):
            assert batch is not None, "wires alone do not say which pairs there are"
            heard = self._heard(h, spoken, batch, wires)
        else:
            heard = wires.heard(self, h, spoken)
        gate, up = heard.chunk(2, -1)
        return rms_norm(h + self.down(F.silu(gate) * up))

    def _heard(self, h: Tensor, spoken: Tensor, batch: Pairs | ProblemBatch, wires: Wires) -> Tensor:
        own = self.own.weight
        heard = F.linear(self._along_relations(h, spoken, batch, wires), self._joined(own), self.own.bias)
        mean, largest = pool(spoken.view(-1, self.message), wires.sets)
        pooled = torch.split(torch.cat([mean, largest], -1), [kind.shape[1] for kind in wires.kinds], 1)
        to_pairs = [self.hear[0], *self.hear[1 + len(self.shifts) :]]
        # As one matrix each: a product of slices would be another one, with other roundings, in a batch of one.
        told = [
            project(sets.flatten(0, 1)).view(*sets.shape[:2], heard.shape[-1])
            for project, sets in zip(to_pairs, pooled, strict=True)
        ]
        by_set = told[0] if len(told) == 1 else torch.cat(told, 1)
        return heard + spread(by_set.flatten(0, 1), wires.members).reshape(heard.shape)

    def _along_relations(self, h: Tensor, spoken: Tensor, batch: Pairs | ProblemBatch, wires: Wires) -> Tensor:
        """(B, L, V, D + relations * 2M): the state, and beside it what came along each relation."""
        if wires.relations is None:
            return h
        B, L, V, D = h.shape
        relations, M = len(self.shifts), self.message
        said = spoken.view(B, L, V, -1, M)[..., 1 : 1 + relations, :].transpose(2, 3).contiguous()
        # Padding is silent: what a problem hears must not depend on what it shares a batch with.
        said = said * batch.present[:, :, None, :, None]
        mean, largest = pool(said.view(B * L * relations, V * M), wires.relations)
        mean, largest = mean.view(B, relations, L, V, M), largest.reshape(B, relations, L, V, M)
        joined = torch.cat([h, h.new_zeros((B, L, V, 2 * M * relations))], -1)
        for number, shift in enumerate(self.shifts):
            place = D + 2 * M * number
            put_shifted(joined[..., place : place + M], mean[:, number], shift)
            put_shifted(joined[..., place + M : place + 2 * M], largest[:, number], shift)
        return joined

    def _joined(self, own: Tensor) -> Tensor:
        """The weights for all of `_along_relations` as one product."""
        relations = self.hear[1 : 1 + len(self.shifts)]
        return torch.cat([own, *(project.get_parameter("weight") for project in relations)], 1) if self.shifts else own


class StructuredNetwork(nn.Module):
    """A tiny recursive model over problems of one `ProblemSpec`."""

    H_init: Tensor
    L_init: Tensor

    def __init__(self, config: StructuredConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        spec, D = config.spec, config.hidden
        self.embed_token = nn.Embedding(len(spec.vocabulary), D)
        self.embed_cell = nn.Linear(len(spec.cell_features), D, bias=False) if spec.cell_features else None
        # Two more than the task's own: whether the candidate is allowed, and how many its cell has.
        self.embed_candidate = nn.Linear(len(spec.candidate_features) + 2, D, bias=False)
        self.embed_answer = nn.Linear(1, D, bias=False)
        self.embed_sums = nn.Linear(3 * len(spec.sums), D, bias=False) if spec.sums else None
        self.blocks = nn.ModuleList(MessageBlock(config) for _ in range(config.blocks))
        self.head = nn.Linear(D, 1, bias=False)
        self.q_cell = nn.Linear(D + 1, D)
        self.q_head = nn.Linear(2 * D, 1)
        self.register_buffer("H_init", torch.randn(D, generator=generator))
        self.register_buffer("L_init", torch.randn(D, generator=generator))
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5, generator=generator)
                    if module.bias is not None:
                        module.bias.zero_()
                elif isinstance(module, nn.Embedding):
                    nn.init.normal_(module.weight, generator=generator)
            # As published: a fresh model believes nothing (TRM's q head starts at weight 0, bias -5).
            self.q_head.weight.zero_()
            self.q_head.bias.fill_(-5.0)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def initial_carry(self, batch: Pairs | ProblemBatch) -> StructuredCarry:
        shape = (*batch.present.shape, self.config.hidden)
        return StructuredCarry(self.H_init.expand(shape), self.L_init.expand(shape))

    def embed(self, batch: KnownPairs | ProblemBatch) -> Tensor:
        """(B, L, V, D): the question; the same at every recursion."""
        share = batch.allowed / batch.allowed.sum(-1, keepdim=True).clamp(min=1)
        features = torch.cat([batch.candidate_features, batch.allowed.unsqueeze(-1), share.unsqueeze(-1)], -1)
        of_cell = self.embed_token(batch.tokens)
        if self.embed_cell is not None:
            of_cell = of_cell + self.embed_cell(batch.cell_features)
        embedded: Tensor = of_cell.unsqueeze(2) + self.embed_candidate(features)
        return embedded

    def answer_logits(self, z_H: Tensor, batch: Pairs | ProblemBatch) -> Tensor:
        logits = dot(z_H, self.head).float()
        return logits.masked_fill(~batch.allowed, FORBIDDEN_LOGIT)

    def step(
        self,
        carry: StructuredCarry,
        batch: Pairs | ProblemBatch,
        x: Tensor | None = None,
        wires: Wires | Layout | None = None,
    ) -> tuple[StructuredCarry, StructuredOutput]:
        """One supervision step (TRM Fig. 3 `deep_recursion`, §4.1).

        Returns the next carry, detached, and this step's outputs, on the graph. `x` and `wires`: what `embed` and
        `batch.wires` gave for this batch, where the caller kept them.

        Cost: `config.applications_per_step` applications of the network, of which
        the last L_cycles + 2 keep activations when gradients are on.
        """
        if x is None or wires is None:
            assert isinstance(batch, ProblemBatch), "pairs alone do not say what is embedded and wired"
            x = self.embed(batch) if x is None else x
            wires = batch.wires() if wires is None else wires
        z_H, z_L = self.refine(carry, batch, x, wires)
        return StructuredCarry(z_H.detach(), z_L.detach()), self.read(z_H, batch, wires)

    def refine(
        self, carry: StructuredCarry, batch: Pairs | ProblemBatch, x: Tensor, wires: Wires | Layout
    ) -> tuple[Tensor, Tensor]:
        """The z_H and z_L of one supervision step, on the graph."""
        if self.config.packed and not (isinstance(wires, Layout) and wires.leaves_out):
            raise ValueError("a packed network is stepped over the pairs that are left: see networks.packed")
        # The last answer is fed back: it is what a cell's neighbours would have to live with.
        last = self.answer_logits(carry.z_H, batch).softmax(-1).detach() if batch.held is None else batch.held
        x = x + self._answered(last.to(x.dtype), batch)
        return self.recur(carry.z_H, carry.z_L, x, batch, wires)

    def recur(
        self, z_H: Tensor, z_L: Tensor, x: Tensor, batch: Pairs | ProblemBatch | None, wires: Wires | Layout
    ) -> tuple[Tensor, Tensor]:
        """The cycles of one supervision step."""
        for cycle in range(self.config.H_cycles):
            # Earlier cycles only bring the state nearer the solution; on the graph they would multiply memory.
            with torch.set_grad_enabled(torch.is_grad_enabled() and cycle == self.config.H_cycles - 1):
                for _ in range(self.config.L_cycles):
                    z_L = self.update(z_L + z_H + x, batch, wires)
                z_H = self.update(z_H + z_L, batch, wires)  # no x: its absence says which job this is (§4.3)
        return z_H, z_L

    def read(self, z_H: Tensor, batch: Pairs | ProblemBatch, wires: Wires | Layout) -> StructuredOutput:
        """The answer that z_H holds, and the belief in it."""
        logits = self.answer_logits(z_H, batch)
        return StructuredOutput(logits, self._believe(z_H, logits, batch, wires))

    def _answered(self, answer: Tensor, batch: Pairs | ProblemBatch) -> Tensor:
        """(B, L, V) -> (B, L, V, D): what this answer says of each pair, and what it adds up to for the pair's candidate:
        the others, what they and this one would be, and by how much that is too much."""
        told: Tensor = self.embed_answer(answer.unsqueeze(-1))
        if self.embed_sums is None:
            return told
        mine = (answer * batch.allowed).unsqueeze(-1) * batch.amounts
        others = mine.sum(1, keepdim=True) - mine
        together = others + batch.amounts
        sums: Tensor = self.embed_sums(torch.cat([others, together, F.relu(together - 1)], -1).to(told.dtype))
        return told + sums

    def update(self, h: Tensor, batch: Pairs | ProblemBatch | None, wires: Wires | Layout) -> Tensor:
        h = rms_norm(h)
        for block in self.blocks:
            h = block(h, batch, wires)
        return h

    def _believe(self, z_H: Tensor, logits: Tensor, batch: Pairs | ProblemBatch, wires: Wires | Layout) -> Tensor:
        """(B,): is this whole answer right? One more application of the network, told the answer, lets every cell
        compare it with its neighbours' before the cells are judged, by their mean and by the worst."""
        answer = logits.detach().softmax(-1).to(z_H.dtype)
        seen = self.update(z_H + self._answered(answer, batch), batch, wires)
        state = torch.einsum("blv,blvd->bld", answer, seen)
        return self.judge(state, answer, batch.cells if isinstance(wires, Wires) else wires.judged(batch))

    def judge(self, state: Tensor, answer: Tensor, which: Tensor) -> Tensor:
        """What each cell sees of the answer, (B, L, D), the answer, (B, L, V), and the cells to be judged, (B, L) -> (B,)."""
        doubt = 1 - answer.amax(-1, keepdim=True)
        cells = which.unsqueeze(-1)
        judged = F.relu(self.q_cell(torch.cat([state, doubt], -1))) * cells
        pooled = torch.cat([judged.sum(1) / cells.sum(1).clamp(min=1), judged.amax(1)], -1)
        return (dot(pooled, self.q_head) + self.q_head.bias).float()
