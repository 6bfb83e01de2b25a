import pytest
import torch

from agent_reasoning.errors import CheckpointError
from agent_reasoning.networks import save_checkpoint
from agent_reasoning.networks.config import HRMConfig, TRMConfig
from agent_reasoning.networks.hrm import HRM
from agent_reasoning.networks.quantize import quantize_int8
from agent_reasoning.networks.trm import TRM

SIZES = {"vocab_size": 5, "seq_len": 6, "hidden_size": 32, "num_heads": 2, "H_cycles": 2, "L_cycles": 2, "L_layers": 1}
BATCH = {"inputs": torch.arange(24).view(4, 6) % 5}


CONFIGS = {
    "trm attention": TRMConfig(**SIZES),
    "trm mixer": TRMConfig(**SIZES, mlp_t=True, pos_encodings="none"),
    "hrm": HRMConfig(**SIZES, H_layers=2),
}


@pytest.fixture(params=CONFIGS)
def model(request):
    config = CONFIGS[request.param]
    family = TRM if isinstance(config, TRMConfig) else HRM
    return family(config, torch.Generator().manual_seed(0)).eval()


@torch.inference_mode()
def applied(level):
    """One application: over a whole step of random weights the recursion blows any rounding up."""
    h, injection = torch.randn(2, 4, 6, 32, generator=torch.Generator().manual_seed(1))
    return level(h, injection, None)


def float_linears(level):
    return [module for module in level.modules() if isinstance(module, torch.nn.Linear)]


def test_int8_levels_say_nearly_the_same_and_leave_the_model_as_it_was(model):
    before = [applied(level) for level in (model.L_level, model.H_level)]

    quantized = quantize_int8(model)

    for level, expected in zip((quantized.L_level, quantized.H_level), before, strict=True):
        error = (applied(level) - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        assert 0 < error < 0.15  # 7 bits for each activation, up to eight layers deep: 0.03 to 0.1
    assert torch.equal(applied(model.L_level), before[0])


def test_an_int8_model_takes_a_whole_step(model):
    quantized = quantize_int8(model)

    with torch.inference_mode():
        _, output = quantized.step(quantized.initial_carry(4), BATCH)

    assert output.logits.isfinite().all()


def test_every_linear_layer_of_both_levels_is_in_int8_and_the_heads_are_not(model):
    quantized = quantize_int8(model)

    assert not float_linears(quantized.L_level)
    assert not float_linears(quantized.H_level)
    assert isinstance(quantized.lm_head, torch.nn.Linear)
    assert isinstance(quantized.q_head, torch.nn.Linear)


def test_int8_is_refused_for_other_dtypes_than_float32():
    with pytest.raises(ValueError, match="bfloat16"):
        quantize_int8(TRM(TRMConfig(**SIZES, forward_dtype="bfloat16")))


def test_an_int8_model_is_not_written_as_a_published_checkpoint(model, tmp_path):
    quantized = quantize_int8(model)

    with pytest.raises(CheckpointError, match="missing"):
        save_checkpoint(quantized, tmp_path, 1)
    assert not list(tmp_path.iterdir())
