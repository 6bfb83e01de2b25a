"""int8 on CPU for TRM and HRM, by `torch.ao`'s dynamic quantisation.

The weights of the levels are held in int8, with a scale for each row; what they are applied to is quantised at each
call, and norms, attention, embeddings and the two heads stay in float32. It costs accuracy: measure it on the task.
"""

import copy
import warnings
from typing import TypeVar

import torch
from torch import nn

from agent_reasoning.networks.layers import CastLinear
from agent_reasoning.networks.sequence import SequenceModel

Model = TypeVar("Model", bound=SequenceModel)


def quantize_int8(model: Model) -> Model:
    """A copy of `model` for inference on CPU with the linear layers of its levels in int8; `model` stays as it is.

    Recurrence compounds the rounding, and the heads read the state once, for a sliver of the time: they stay float32.
    Raises ValueError for a model that is not on CPU in float32.
    """
    if model.config.dtype != torch.float32 or model.H_init.device.type != "cpu":
        raise ValueError(
            f"int8 needs a float32 model on cpu, not {model.config.forward_dtype} on {model.H_init.device}"
        )
    quantized = copy.deepcopy(model).eval().requires_grad_(False)
    with warnings.catch_warnings():
        # torch.ao and the tensors it makes warn that torchao, another package, will follow them some day.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_", UserWarning)
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        for level in dict.fromkeys((quantized.H_level, quantized.L_level)):
            _use_plain_layers(level)
            quantize_dynamic(level, {nn.Linear: per_channel_dynamic_qconfig}, inplace=True)  # type: ignore[no-untyped-call]
    return quantized


def _use_plain_layers(module: nn.Module) -> None:
    """Put a plain linear layer for each casting one: `torch.ao` refuses subclasses."""
    for name, child in module.named_children():
        if isinstance(child, CastLinear):
            with torch.device("meta"):
                plain = nn.Linear(child.in_features, child.out_features, bias=child.bias is not None)
            plain.weight, plain.bias = child.weight, child.bias
            setattr(module, name, plain)
        else:
            _use_plain_layers(child)
