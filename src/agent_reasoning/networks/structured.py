"""TRM's recursion over a problem's own structure: message passing where the published model has attention.

The recursion is TRM's (arXiv 2510.04871, Fig. 3): a carry of z_H (the answer so far) and z_L (the reasoning latent),
`H_cycles` × (`L_cycles` updates of z_L, one of z_H) in each supervision step, one network for both, a halting head,
gradients through the last cycle only, the carry detached between supervision steps. What differs is the network: a
state for each (cell, candidate) pair, weights shared over pairs, and messages along typed relations, groups and
cells in place of mixing by attention or position. One implementation serves graphs (relations) and grids (groups).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent_reasoning.networks.batch import Links, ProblemBatch
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "StructuredConfig":
        """Undo `to_dict` after a trip through JSON. Raises KeyError or TypeError where a field does not fit."""
        spec = dict(data["spec"])
        relations = tuple(RelationSpec(**relation) for relation in spec.pop("relations"))
        names = {name: tuple(values) for name, values in spec.items()}
        return cls(**{**data, "spec": ProblemSpec(relations=relations, **names)})

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


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-5)


def pool(rows: Tensor, links: Links) -> Tensor:
    """(N, ..., M) non-negative -> (R, ..., 2M): over the links into each target, their mean and their maximum.

    A target without links gets zeros. On CPU the scatter adds in the order of the links; on a GPU its atomics would
    add in any order and the same request could give two answers, so the segments are reduced one by one instead.
    """
    spoken = rows.index_select(0, links.source)
    shape = (len(links.lengths), *spoken.shape[1:])
    if spoken.device.type == "cpu":
        index = links.target.view(-1, *[1] * (spoken.ndim - 1)).expand_as(spoken)
        zeros = spoken.new_zeros(shape)
        total, largest = zeros.index_add(0, links.target, spoken), zeros.scatter_reduce(0, index, spoken, "amax")
    else:
        total, largest = segments(spoken, links, "sum"), segments(spoken, links, "max")
    count = links.lengths.clamp(min=1).view(-1, *[1] * (spoken.ndim - 1))
    return torch.cat([total / count, largest], -1)


def segments(spoken: Tensor, links: Links, reduce: str) -> Tensor:
    """The same sums and maxima without atomics."""
    return torch.segment_reduce(spoken, reduce, lengths=links.lengths, axis=0, initial=0.0, unsafe=True)


def shift_candidates(x: Tensor, by: int) -> Tensor:
    """(..., V, D): what candidate v hears is candidate v - by; beyond either end is silence."""
    if by == 0:
        return x
    zeros = x.new_zeros((*x.shape[:-2], abs(by), x.shape[-1]))
    return torch.cat([zeros, x[..., :-by, :]], -2) if by > 0 else torch.cat([x[..., -by:, :], zeros], -2)


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

    def forward(self, h: Tensor, batch: ProblemBatch) -> Tensor:
        """(B, L, V, D) -> (B, L, V, D)"""
        B, L, V, _ = h.shape
        # Messages are non-negative so that zero stands for "nobody spoke" under both mean and max. Padding is
        # silent: what a problem hears must not depend on what it shares a batch with.
        spoken = torch.split(F.relu(self.speak(h)) * batch.present.unsqueeze(-1), self.message, -1)
        heard = self.own(h)
        count = batch.present.sum(-1).clamp(min=1).view(B, L, 1)
        of_cell = torch.cat([spoken[0].sum(2) / count, spoken[0].amax(2)], -1)
        heard = heard + self.hear[0](of_cell).unsqueeze(2)
        channel = 1
        for shift, links in zip(self.shifts, batch.relations, strict=True):
            pooled = pool(spoken[channel].reshape(B * L, V, self.message), links).view(B, L, V, -1)
            heard = heard + self.hear[channel](shift_candidates(pooled, shift))
            channel += 1
        for links, back in zip(batch.groups, batch.members, strict=True):
            pooled = self.hear[channel](pool(spoken[channel].reshape(B * L * V, self.message), links))
            heard = heard + spread(pooled, back).view(B, L, V, -1)
            channel += 1
        gate, up = heard.chunk(2, -1)
        return rms_norm(h + self.down(F.silu(gate) * up))


def spread(groups: Tensor, members: Links) -> Tensor:
    """(G, E) -> (R, E): to each pair the sum over its groups."""
    told = groups.index_select(0, members.source)
    if told.device.type == "cpu":
        return told.new_zeros((len(members.lengths), told.shape[1])).index_add(0, members.target, told)
    return segments(told, members, "sum")


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

    def initial_carry(self, batch: ProblemBatch) -> StructuredCarry:
        shape = (*batch.present.shape, self.config.hidden)
        return StructuredCarry(self.H_init.expand(shape), self.L_init.expand(shape))

    def embed(self, batch: ProblemBatch) -> Tensor:
        """(B, L, V, D): the question; the same at every recursion."""
        share = batch.allowed / batch.allowed.sum(-1, keepdim=True).clamp(min=1)
        features = torch.cat([batch.candidate_features, batch.allowed.unsqueeze(-1), share.unsqueeze(-1)], -1)
        of_cell = self.embed_token(batch.tokens)
        if self.embed_cell is not None:
            of_cell = of_cell + self.embed_cell(batch.cell_features)
        embedded: Tensor = of_cell.unsqueeze(2) + self.embed_candidate(features)
        return embedded

    def answer_logits(self, z_H: Tensor, batch: ProblemBatch) -> Tensor:
        logits: Tensor = self.head(z_H).squeeze(-1).float()
        return logits.masked_fill(~batch.allowed, FORBIDDEN_LOGIT)

    def step(
        self, carry: StructuredCarry, batch: ProblemBatch, x: Tensor | None = None
    ) -> tuple[StructuredCarry, StructuredOutput]:
        """One supervision step (TRM Fig. 3 `deep_recursion`, §4.1).

        Returns the next carry, detached, and this step's outputs, on the graph. `x`: what `embed` gave for this
        batch, where the caller kept it. Cost: `config.applications_per_step` applications of the network, of which
        the last L_cycles + 2 keep activations when gradients are on.
        """
        x = self.embed(batch) if x is None else x
        # The last answer is fed back: it is what a cell's neighbours would have to live with.
        believed = self.answer_logits(carry.z_H, batch).softmax(-1).unsqueeze(-1).detach()
        x = x + self.embed_answer(believed.to(x.dtype))
        z_H, z_L = carry.z_H, carry.z_L
        for cycle in range(self.config.H_cycles):
            # Earlier cycles only bring the state nearer the solution; on the graph they would multiply memory.
            with torch.set_grad_enabled(torch.is_grad_enabled() and cycle == self.config.H_cycles - 1):
                for _ in range(self.config.L_cycles):
                    z_L = self._update(z_L + z_H + x, batch)
                z_H = self._update(z_H + z_L, batch)  # no x: its absence says which job this is (§4.3)
        logits = self.answer_logits(z_H, batch)
        output = StructuredOutput(logits, self._believe(z_H, logits, batch))
        return StructuredCarry(z_H.detach(), z_L.detach()), output

    def _update(self, h: Tensor, batch: ProblemBatch) -> Tensor:
        h = rms_norm(h)
        for block in self.blocks:
            h = block(h, batch)
        return h

    def _believe(self, z_H: Tensor, logits: Tensor, batch: ProblemBatch) -> Tensor:
        """(B,): is this whole answer right? One more application of the network, told the answer, lets every cell
        compare it with its neighbours' before the cells are judged, by their mean and by the worst."""
        answer = logits.detach().softmax(-1).to(z_H.dtype)
        seen = self._update(z_H + self.embed_answer(answer.unsqueeze(-1)), batch)
        state = torch.einsum("blv,blvd->bld", answer, seen)
        doubt = 1 - answer.amax(-1, keepdim=True)
        cells = batch.cells.unsqueeze(-1)
        judged = F.relu(self.q_cell(torch.cat([state, doubt], -1))) * cells
        pooled = torch.cat([judged.sum(1) / cells.sum(1).clamp(min=1), judged.amax(1)], -1)
        q: Tensor = self.q_head(pooled).squeeze(-1).float()
        return q
