"""Checkpoints of TRM and HRM in the form that the published training code writes.

A file `step_N` (or `*.pth`): a state dict saved by torch, keys prefixed by the wrappers that the model was trained in.
Beside it `all_config.yaml`, whose `arch` says what the model is. Sizes that belong to the data set (vocabulary,
length, number of puzzles) are in neither by name; they are read off the shapes of the weights.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from agent_reasoning.errors import CheckpointError
from agent_reasoning.networks.config import DTYPES, HRMConfig, TRMConfig, parse_arch
from agent_reasoning.networks.hrm import HRM
from agent_reasoning.networks.trm import TRM

CONFIG_FILE = "all_config.yaml"
PREFIX = re.compile(r"^(_orig_mod\.)?(model\.inner\.)?")
"""What torch.compile and the loss head put in front of a key, as far as they were used."""
OFFICIAL_PREFIX = "_orig_mod.model.inner."

Model = TRM | HRM
State = dict[str, Tensor]


def load_checkpoint(
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    H_cycles: int | None = None,
    L_cycles: int | None = None,
) -> Model:
    """A published TRM or HRM in eval mode.

    path: the file, or a directory that holds exactly one. dtype: what the weights are held in and the model computes
    in, whatever `forward_dtype` it was trained with; casting once gives the numbers that the published cast at each
    use gives, but go on training from float32. H_cycles, L_cycles: other recursions than the checkpoint's own.
    Raises CheckpointError: a file is missing or unreadable, the architecture is not supported (named), or keys are
    missing, unexpected or wrongly shaped (all named at once). The file cannot run code (`weights_only`).
    """
    weights = find_weights(Path(path))
    arch = read_arch(weights.parent / CONFIG_FILE)
    forward_dtype = next((name for name, known in DTYPES.items() if known == dtype), None)
    if forward_dtype is None:
        raise CheckpointError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype}.")
    arch = {**arch, "forward_dtype": forward_dtype}
    arch |= {key: value for key, value in (("H_cycles", H_cycles), ("L_cycles", L_cycles)) if value is not None}
    state = read_state(weights)
    try:
        model = build_empty(size_config(arch, state))
    except ValueError as error:
        raise CheckpointError(f"{weights} with its {CONFIG_FILE} cannot be used: {error}.") from None
    if problems := mismatches(model.state_dict(), state):
        raise CheckpointError(f"{weights} does not fit its {CONFIG_FILE}: {'; '.join(problems)}.")
    model.load_state_dict({key: value.to(device, dtype) for key, value in state.items()}, assign=True)
    return model.eval()


def save_checkpoint(
    model: Model, directory: str | os.PathLike[str], step: int, settings: Mapping[str, Any] | None = None
) -> Path:
    """Write `step_{step}` and `all_config.yaml` in the published form; returns the path of the first.

    settings: what else the configuration should say (learning rates, seed, ...); the published reader wants it, ours
    does not. Each file appears whole or not at all. Raises CheckpointError for a model that is no longer a plain one
    (quantised).
    """
    state = model.state_dict()
    if problems := mismatches(build_empty(model.config).state_dict(), state):
        raise CheckpointError(f"This model cannot be saved in the published form: {'; '.join(problems)}.")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    document = {**(settings or {}), "arch": model.config.to_arch()}
    partial = directory / f".{CONFIG_FILE}"
    partial.write_text(yaml.safe_dump(document, sort_keys=True))
    partial.replace(directory / CONFIG_FILE)
    prefixed = OrderedDict((OFFICIAL_PREFIX + key, value.detach().cpu().clone()) for key, value in state.items())
    partial = directory / f".step_{step}"
    with partial.open("wb") as file:  # given a path, torch refuses names that start with a point
        torch.save(prefixed, file)
    return partial.replace(directory / f"step_{step}")


def find_weights(path: Path) -> Path:
    """The checkpoint file at `path`. Raises CheckpointError where there is none, or more than one."""
    if path.is_dir():
        found = sorted(
            entry for entry in path.iterdir() if entry.is_file() and re.fullmatch(r"step_\d+|[^.].*\.pth", entry.name)
        )
        if len(found) != 1:
            names = ", ".join(entry.name for entry in found) or "none"
            raise CheckpointError(f"{path} must hold exactly one step_N or *.pth file; it holds {names}.")
        return found[0]
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    return path


def read_arch(path: Path) -> dict[str, Any]:
    """The `arch` mapping of a configuration file. Raises CheckpointError that names the file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"The checkpoint's configuration is missing: {path} does not exist.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    arch = document.get("arch") if isinstance(document, dict) else None
    if not isinstance(arch, dict):
        raise CheckpointError(f"{path} has no mapping named arch.")
    return arch


def read_state(path: Path) -> State:
    """The tensors of a checkpoint under their bare names, on CPU. Raises CheckpointError."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader of foreign bytes raises whatever it stumbles over
        raise CheckpointError(f"{path} is not a checkpoint that can be loaded safely: {error}") from None
    tensors = isinstance(loaded, Mapping) and all(
        isinstance(v, Tensor) and v.is_floating_point() for v in loaded.values()
    )
    if not tensors:
        raise CheckpointError(f"{path} is not a state dict: it must map names to float tensors and hold nothing else.")
    state: State = {}
    for key, value in loaded.items():
        name = PREFIX.sub("", str(key))
        if name in state:
            raise CheckpointError(f"{path} holds {name} twice, under different prefixes.")
        state[name] = value
    return state


def size_config(arch: Mapping[str, Any], state: State) -> TRMConfig | HRMConfig:
    """The configuration with the sizes that only the weights know.

    A size whose weight is missing becomes 1, or the least that the rest allows: `mismatches` then names that weight.
    """

    def size(pattern: str, dim: int) -> int | None:
        return next((v.shape[dim] for k, v in state.items() if re.fullmatch(pattern, k) and v.ndim == 2), None)

    vocab_size = size(r"embed_tokens\.embedding_weight|lm_head\.weight", 0) or 1
    identifiers = size(r"puzzle_emb\.weights", 0) or 1
    config = parse_arch(arch, vocab_size=vocab_size, seq_len=1, num_puzzle_identifiers=identifiers)
    if not config.fixed_length:
        return replace(config, seq_len=None)
    positions = size(r"embed_pos\.embedding_weight", 0) if config.pos_encodings == "learned" else None
    if config.mlp_t:
        positions = size(r"[LH]_level\.layers\.\d+\.mlp_t\.gate_up_proj\.weight", 1) or positions
    seq_len = 1 if positions is None else positions - config.puzzle_positions
    if seq_len < 1:
        raise ValueError(f"its {positions} positions leave no cells beside {config.puzzle_positions} puzzle positions")
    return replace(config, seq_len=seq_len)


def build_empty(config: TRMConfig | HRMConfig) -> Model:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return TRM(config) if isinstance(config, TRMConfig) else HRM(config)


def mismatches(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What is missing, unexpected or wrongly shaped, in words."""
    wrong = [
        f"{key} has shape {_shape(found[key])} instead of {_shape(expected[key])}"
        for key in expected
        if key in found and _shape(found[key]) != _shape(expected[key])
    ]
    kinds = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
    }
    return [f"{kind} {', '.join(keys)}" for kind, keys in kinds.items() if keys] + wrong


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None
