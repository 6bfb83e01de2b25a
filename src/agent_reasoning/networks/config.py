"""What a published sequence model is: TRM (arXiv 2510.04871) and HRM (arXiv 2506.21734), as frozen dataclasses.

The published training code writes the `arch` mapping of `all_config.yaml` beside each checkpoint; `from_arch` reads
it and `to_arch` writes it. Which architecture it is, `arch.name` says: the part before `@` is the module, the part
after it the class. Ablations share TRM's class name, so both parts count.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Self

import torch

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}

DATA_SIZES = ("vocab_size", "seq_len", "num_puzzle_identifiers")
"""Sizes that the published code takes from the data set and that `all_config.yaml` does not hold."""

OURS = ("use_act",)
"""Fields that the published configuration does not know; it ignores them."""

ABSENT: dict[str, Any] = {
    "puzzle_emb_ndim": 0,
    "puzzle_emb_len": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "forward_dtype": "bfloat16",
    "mlp_t": False,
    "no_ACT_continue": True,
    "use_act": True,
}
"""What the published code assumes for a key that `arch` leaves out. It has no defaults for any other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceConfig:
    """The fields that TRM and HRM share, under the published names.

    A ValueError of the constructor names every field that cannot work.
    """

    ARCH_NAME: ClassVar[str]

    vocab_size: int
    seq_len: int | None = None
    """Cells of a puzzle. None: any, which only attention without learned positions can do."""
    num_puzzle_identifiers: int = 1
    hidden_size: int = 512
    num_heads: int = 8
    expansion: float = 4.0
    H_cycles: int
    L_cycles: int
    L_layers: int
    pos_encodings: str = "rope"
    """`rope`, `learned`; anything else is no positions."""
    mlp_t: bool = False
    """Mix positions by a SwiGLU over them instead of attention."""
    puzzle_emb_ndim: int = 0
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    forward_dtype: str = "float32"
    halt_max_steps: int = 16
    halt_exploration_prob: float = 0.1
    use_act: bool = True
    """Ours: False trains for exactly `halt_max_steps` supervision steps, with no loss on the halting head."""

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ValueError("; ".join(problems))

    @property
    def puzzle_positions(self) -> int:
        """Positions in front of the cells that hold the puzzle embedding (P)."""
        return -(-self.puzzle_emb_ndim // self.hidden_size)

    @property
    def positions(self) -> int | None:
        """P + S, where S is known."""
        return None if self.seq_len is None else self.puzzle_positions + self.seq_len

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads

    @property
    def learns_to_continue(self) -> bool:
        """Whether training compares q_halt with q_continue (HRM §2.5) instead of with zero (TRM §4.6)."""
        return True

    @property
    def fixed_length(self) -> bool:
        """Whether some weight has the sequence length in its shape."""
        return self.mlp_t or self.pos_encodings == "learned"

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.forward_dtype]

    def _problems(self) -> list[str]:
        at_least_one = ["vocab_size", "num_puzzle_identifiers", "hidden_size", "num_heads"]
        at_least_one += [field.name for field in fields(self) if field.name.endswith(("_cycles", "_layers"))]
        at_least_one += ["halt_max_steps"]
        problems = [
            f"{name} must be at least 1, not {getattr(self, name)}" for name in at_least_one if getattr(self, name) < 1
        ]
        if problems:
            return problems
        if self.forward_dtype not in DTYPES:
            problems.append(f"forward_dtype must be one of {', '.join(DTYPES)}, not {self.forward_dtype!r}")
        if self.expansion <= 0:
            problems.append(f"expansion must be above 0, not {self.expansion}")
        if not 0 <= self.halt_exploration_prob <= 1:
            problems.append(f"halt_exploration_prob must be from 0 to 1, not {self.halt_exploration_prob}")
        if not self.mlp_t and self.head_dim < 1:
            problems.append(f"hidden_size {self.hidden_size} is too small for {self.num_heads} heads")
        elif not self.mlp_t and self.pos_encodings == "rope" and self.head_dim % 2:
            problems.append(f"rotary positions need an even head width, not {self.head_dim} (hidden_size / num_heads)")
        if self.fixed_length and self.seq_len is None:
            problems.append("seq_len is needed: mlp_t and learned positions have it in the shape of their weights")
        if self.seq_len is not None and self.seq_len < 1:
            problems.append(f"seq_len must be at least 1, not {self.seq_len}")
        if self.puzzle_emb_ndim < 0:
            problems.append(f"puzzle_emb_ndim must be at least 0, not {self.puzzle_emb_ndim}")
        elif self.puzzle_positions < 0:
            problems.append(f"puzzle_emb_len must be at least 0, not {self.puzzle_positions}")
        elif self.puzzle_positions and not self.puzzle_emb_ndim:
            problems.append("puzzle_emb_len without puzzle_emb_ndim cannot work: set both to 0")
        elif self.puzzle_emb_ndim > self.puzzle_positions * self.hidden_size:
            problems.append(
                f"puzzle_emb_ndim {self.puzzle_emb_ndim} does not fit "
                f"puzzle_emb_len {self.puzzle_positions} × hidden_size {self.hidden_size}"
            )
        return problems

    @classmethod
    def from_arch(
        cls, arch: Mapping[str, Any], *, vocab_size: int, seq_len: int | None, num_puzzle_identifiers: int
    ) -> Self:
        """Read the `arch` mapping; unknown keys are ignored, as the published code does.

        Raises ValueError that names every missing or unusable key.
        """
        wanted = [field for field in fields(cls) if field.name not in DATA_SIZES]
        missing = [field.name for field in wanted if field.name not in arch and field.name not in ABSENT]
        if missing:
            raise ValueError(f"arch lacks {', '.join(missing)}")
        values = {field.name: _read(field, arch.get(field.name, ABSENT.get(field.name))) for field in wanted}
        return cls(vocab_size=vocab_size, seq_len=seq_len, num_puzzle_identifiers=num_puzzle_identifiers, **values)

    def to_arch(self) -> dict[str, Any]:
        """The `arch` mapping that `from_arch` and the published code read."""
        arch = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in DATA_SIZES and (field.name not in OURS or getattr(self, field.name) != field.default)
        }
        loss = {"name": "losses@ACTLossHead", "loss_type": "stablemax_cross_entropy"}
        # The published TRM ignores H_layers and yet demands it.
        return {"H_layers": 0, **arch, "name": self.ARCH_NAME, "loss": loss}


@dataclass(frozen=True, kw_only=True, slots=True)
class TRMConfig(SequenceConfig):
    """TRM: one network for both levels. The defaults are the stock sizes, without a puzzle embedding, in float32."""

    ARCH_NAME: ClassVar[str] = "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1"

    H_cycles: int = 3
    L_cycles: int = 6
    L_layers: int = 2
    puzzle_emb_len: int = 0
    """Puzzle positions; the ones that the embedding does not fill are zeros. 0: as many as the embedding needs."""
    no_ACT_continue: bool = True

    @property
    def puzzle_positions(self) -> int:
        # No bare super(): a slotted dataclass is a second class, which the compiler's __class__ cell does not know.
        return self.puzzle_emb_len or -(-self.puzzle_emb_ndim // self.hidden_size)

    @property
    def learns_to_continue(self) -> bool:
        return not self.no_ACT_continue


@dataclass(frozen=True, kw_only=True, slots=True)
class HRMConfig(SequenceConfig):
    """HRM: a network for each level. The defaults are the stock sizes, without a puzzle embedding, in float32."""

    ARCH_NAME: ClassVar[str] = "recursive_reasoning.hrm@HierarchicalReasoningModel_ACTV1"

    H_cycles: int = 2
    L_cycles: int = 2
    H_layers: int = 4
    L_layers: int = 4


ORIGINAL_HRM = "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
"""HRM as its own authors published it; TRM's authors published a port under `HRMConfig.ARCH_NAME`."""

ARCHITECTURES: dict[str, type[TRMConfig | HRMConfig]] = {
    TRMConfig.ARCH_NAME: TRMConfig,
    HRMConfig.ARCH_NAME: HRMConfig,
    ORIGINAL_HRM: HRMConfig,
}


def parse_arch(
    arch: Mapping[str, Any], *, vocab_size: int, seq_len: int | None, num_puzzle_identifiers: int
) -> TRMConfig | HRMConfig:
    """The configuration that `arch` describes, of the class that `arch.name` chooses.

    Raises ValueError where the architecture is not supported or a key cannot be used.
    """
    kind = architecture(arch)
    if arch["name"] == ORIGINAL_HRM:
        # The original code has no mlp_t (an unknown key to it) and refuses other positions.
        arch = {**arch, "mlp_t": False}
        if arch.get("pos_encodings") not in ("rope", "learned"):
            raise ValueError(f"{ORIGINAL_HRM} has pos_encodings rope or learned, not {arch.get('pos_encodings')!r}")
    return kind.from_arch(arch, vocab_size=vocab_size, seq_len=seq_len, num_puzzle_identifiers=num_puzzle_identifiers)


def architecture(arch: Mapping[str, Any]) -> type[TRMConfig | HRMConfig]:
    """The class for `arch.name`. Raises ValueError for any name but the three supported ones."""
    name = arch.get("name")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ValueError(f"arch.name {name!r} is not supported; supported are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def _read(field: "Field[Any]", value: Any) -> Any:
    """`value` as the field's type. Raises ValueError where it is of another kind."""
    if field.type is bool or field.type is str:
        usable = isinstance(value, field.type)
    else:
        # YAML 1.1 reads 1e-5, without a point, as text.
        usable = isinstance(value, int | float | str) and not isinstance(value, bool)
    try:
        if not usable or (field.type is int and float(value) != int(float(value))):
            raise ValueError
        return int(float(value)) if field.type is int else field.type(value)  # type: ignore[operator]
    except (ValueError, OverflowError):
        kind = getattr(field.type, "__name__", field.type)
        raise ValueError(f"arch.{field.name} must be {kind}, not {value!r}") from None
