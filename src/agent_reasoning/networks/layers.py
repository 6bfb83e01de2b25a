"""The layers of TRM and HRM, with the parameter names of the published checkpoints.

B rows, T positions (puzzle positions first, then cells), D hidden. Weights are held in float32 and cast at use to the
dtype of what they are applied to, as published; norms and rotations are computed in at least float32.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent_reasoning.networks.config import SequenceConfig

Rotary = tuple[Tensor, Tensor]
"""cos and sin, each (T, head_dim / 2)."""

INNER_MULTIPLE = 256  # SwiGLU widths are rounded up to it

TRUNCATED_STD = 0.8796256610342398
"""Standard deviation of a unit normal cut at ±2."""


def truncated_normal_(tensor: Tensor, std: float, generator: torch.Generator | None = None) -> None:
    """Fill with a normal cut at 2 sigma, widened so that `std` is what comes out (the published initialisation)."""
    sigma = std / TRUNCATED_STD
    nn.init.trunc_normal_(tensor, std=sigma, a=-2 * sigma, b=2 * sigma, generator=generator)


def wide(x: Tensor) -> Tensor:
    """x in float32, or in its own dtype where that is wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def rms_norm(x: Tensor, eps: float) -> Tensor:
    """x over its root mean square along the last axis. No weight."""
    # Not F.rms_norm: on CPU it copies a transposed input first, which is 13 times slower in the mlp_t form.
    y = wide(x)
    return (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


class CastLinear(nn.Linear):
    """A linear layer whose weights follow the dtype of its input."""

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        truncated_normal_(self.weight, self.in_features**-0.5, generator)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return F.linear(input, self.weight.to(input.dtype), bias)


class CastEmbedding(nn.Module):
    """A table of `rows` vectors, read in `dtype`."""

    def __init__(self, rows: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.embedding_weight = nn.Parameter(torch.empty(rows, width))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        truncated_normal_(self.embedding_weight, self.embedding_weight.shape[1] ** -0.5, generator)

    def forward(self, indices: Tensor) -> Tensor:
        return F.embedding(indices, self.embedding_weight).to(self.dtype)

    def all_rows(self) -> Tensor:
        return self.embedding_weight.to(self.dtype)


class PuzzleEmbedding(nn.Module):
    """One vector for each puzzle identifier; a buffer, trained by its own optimizer (`training.optimizers.SignSGD`).

    With gradients on in training mode, `local_weights` (B, ndim) are the rows of the last batch as a leaf of the
    graph and `local_ids` (B,) their identifiers: the gradient then costs as much as the batch, not the table.
    """

    weights: Tensor

    def __init__(self, identifiers: int, ndim: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.register_buffer("weights", torch.zeros(identifiers, ndim))
        self.local_weights: Tensor | None = None
        self.local_ids: Tensor | None = None

    def forward(self, identifiers: Tensor) -> Tensor:
        rows = self.weights[identifiers.long()]
        if self.training and torch.is_grad_enabled():
            rows = rows.detach().float().requires_grad_()
            self.local_weights, self.local_ids = rows, identifiers
        return rows.to(self.dtype)


class SwiGLU(nn.Module):
    """down(silu(gate) * up). The rows of `gate_up_proj` are the gate's, then up's."""

    def __init__(self, width: int, expansion: float) -> None:
        super().__init__()
        inner = -(-round(expansion * width * 2 / 3) // INNER_MULTIPLE) * INNER_MULTIPLE
        self.gate_up_proj = CastLinear(width, 2 * inner, bias=False)
        self.down_proj = CastLinear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        mixed: Tensor = self.down_proj(F.silu(gate) * up)
        return mixed


def rotary_tables(length: int, head_dim: int, theta: float, device: torch.device) -> Rotary:
    """Angles position × theta^(-2i / head_dim), for positions 0 to length - 1."""
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), frequencies)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """(B, heads, T, head_dim): rotate the pairs (x_i, x_{i + head_dim / 2}) by their position's angles."""
    cos, sin = rotary
    first, second = wide(x).chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)


class Attention(nn.Module):
    """Every position attends to every other, padding included. The rows of `qkv_proj` are all heads' q, then k, then v."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = hidden_size // num_heads
        self.qkv_proj = CastLinear(hidden_size, 3 * num_heads * self.head_dim, bias=False)
        self.o_proj = CastLinear(num_heads * self.head_dim, hidden_size, bias=False)

    def forward(self, h: Tensor, rotary: Rotary | None) -> Tensor:
        B, T, _ = h.shape
        qkv = self.qkv_proj(h).view(B, T, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, head_dim)
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, -1)
        mixed: Tensor = self.o_proj(attended)
        return mixed


class Block(nn.Module):
    """h <- rms(h + mixer(h)); h <- rms(h + mlp(h)). The mixer is attention or, with mlp_t, a SwiGLU over positions."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.eps = config.rms_norm_eps
        self.self_attn: Attention | None = None
        self.mlp_t: SwiGLU | None = None
        if config.mlp_t:
            assert config.positions is not None  # the configuration is checked
            self.mlp_t = SwiGLU(config.positions, config.expansion)
        else:
            self.self_attn = Attention(config.hidden_size, config.num_heads)
        self.mlp = SwiGLU(config.hidden_size, config.expansion)

    def forward(self, h: Tensor, rotary: Rotary | None) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        if self.mlp_t is not None:
            across = h.transpose(1, 2)  # (B, D, T): this norm runs over positions, for each channel
            h = rms_norm(across + self.mlp_t(across), self.eps).transpose(1, 2)
        elif self.self_attn is not None:
            h = rms_norm(h + self.self_attn(h, rotary), self.eps)
        return rms_norm(h + self.mlp(h), self.eps)


class Level(nn.Module):
    """All its blocks on h + injection. No final norm: each block ends in one."""

    def __init__(self, config: SequenceConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(layers))

    def forward(self, h: Tensor, injection: Tensor, rotary: Rotary | None) -> Tensor:
        h = h + injection
        for layer in self.layers:
            h = layer(h, rotary)
        return h
