import re

import pytest
import torch
import yaml

from agent_reasoning.errors import CheckpointError
from agent_reasoning.networks import load_checkpoint, save_checkpoint
from agent_reasoning.networks.config import HRMConfig, TRMConfig
from agent_reasoning.networks.hrm import HRM, build_hrm
from agent_reasoning.networks.trm import TRM

SMALL = {"vocab_size": 5, "seq_len": 6, "hidden_size": 8, "num_heads": 2, "H_cycles": 2, "L_cycles": 1, "L_layers": 1}
FAMILIES = {
    "trm attention, rope": TRMConfig(**SMALL),
    "trm attention, learned positions": TRMConfig(**SMALL, pos_encodings="learned"),
    "trm mixer": TRMConfig(**SMALL, mlp_t=True, pos_encodings="none"),
    "trm mixer, puzzle embedding": TRMConfig(
        **SMALL, mlp_t=True, puzzle_emb_ndim=8, puzzle_emb_len=3, num_puzzle_identifiers=4
    ),
    "hrm rope": HRMConfig(**SMALL, H_layers=2),
    "hrm learned, padded puzzle embedding": HRMConfig(
        **SMALL, H_layers=1, pos_encodings="learned", puzzle_emb_ndim=11, num_puzzle_identifiers=4
    ),
}
BATCH = {"inputs": torch.arange(12).view(2, 6) % 5, "puzzle_identifiers": torch.tensor([0, 3])}


def model_of(config):
    model = TRM(config) if isinstance(config, TRMConfig) else HRM(config)
    model.reset_parameters(torch.Generator().manual_seed(0))
    if model.puzzle_emb is not None:
        torch.nn.init.normal_(model.puzzle_emb.weights, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(model.q_head.weight, generator=torch.Generator().manual_seed(2))
    return model.eval()


def says(model, steps=3):
    carry = model.initial_carry(2)
    with torch.no_grad():
        for _ in range(steps):
            carry, output = model.step(carry, BATCH)
    return output


@pytest.fixture
def saved(tmp_path):
    return save_checkpoint(model_of(FAMILIES["trm mixer"]), tmp_path, 7)


def rewrite(path, change):
    state = torch.load(path, weights_only=True)
    torch.save(change(state), path)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_in_the_published_form_loads_and_says_the_same(tmp_path, family):
    model = model_of(FAMILIES[family])

    loaded = load_checkpoint(save_checkpoint(model, tmp_path, 3))

    assert not loaded.training
    torch.testing.assert_close(says(loaded).logits, says(model).logits, atol=0, rtol=0)
    torch.testing.assert_close(says(loaded).q_halt_logits, says(model).q_halt_logits, atol=0, rtol=0)


@pytest.mark.parametrize("prefix", ["", "model.inner.", "_orig_mod.model.inner.", "_orig_mod."])
def test_keys_are_read_with_and_without_the_prefixes_of_training(saved, prefix):
    expected = says(load_checkpoint(saved)).logits

    rewrite(saved, lambda state: {re.sub(r"^_orig_mod\.model\.inner\.", prefix, key): v for key, v in state.items()})

    assert torch.equal(says(load_checkpoint(saved)).logits, expected)


@pytest.mark.parametrize("name", ["step_7", "weights.pth"])
def test_a_directory_stands_for_the_one_checkpoint_in_it(saved, name):
    saved.rename(saved.with_name(name))

    assert load_checkpoint(saved.parent)


def test_two_checkpoints_in_a_directory_are_one_too_many(saved):
    (saved.parent / "step_8").write_bytes(saved.read_bytes())

    with pytest.raises(CheckpointError, match="exactly one"):
        load_checkpoint(saved.parent)


def test_missing_unexpected_and_wrongly_shaped_keys_are_named_in_one_error(saved):
    def spoil(state):
        state = dict(state)
        state.pop("_orig_mod.model.inner.H_init")
        state["_orig_mod.model.inner.extra"] = torch.zeros(1)
        state["_orig_mod.model.inner.q_head.bias"] = torch.zeros(3)
        return state

    rewrite(saved, spoil)

    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(saved)
    for words in ("missing H_init", "unexpected extra", "q_head.bias has shape (3,) instead of (2,)"):
        assert words in str(refused.value)


def test_a_missing_configuration_is_named(saved):
    (saved.parent / "all_config.yaml").unlink()

    with pytest.raises(CheckpointError, match=r"all_config\.yaml does not exist"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "name",
    [
        "recursive_reasoning.trm_singlez@TinyRecursiveReasoningModel_ACTV1",
        "recursive_reasoning.trm_hier6@TinyRecursiveReasoningModel_ACTV1",
        "recursive_reasoning.transformers_baseline@Model_ACTV2",
    ],
)
def test_other_architectures_are_refused_by_name(saved, name):
    path = saved.parent / "all_config.yaml"
    document = yaml.safe_load(path.read_text())
    document["arch"]["name"] = name
    path.write_text(yaml.safe_dump(document))

    with pytest.raises(CheckpointError, match=re.escape(name)):
        load_checkpoint(saved)


def test_a_file_that_would_run_code_is_refused_and_does_not_run(saved, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"H_init": Payload()}, saved)

    with pytest.raises(CheckpointError, match="safely"):
        load_checkpoint(saved)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint_is_refused(saved, content):
    saved.write_bytes(content)

    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


def test_cycles_can_be_overridden(saved):
    model = load_checkpoint(saved, H_cycles=4, L_cycles=5)

    assert (model.config.H_cycles, model.config.L_cycles) == (4, 5)
    assert not torch.equal(says(model).logits, says(load_checkpoint(saved)).logits)


def test_an_hrm_is_built_from_its_papers_words():
    model = build_hrm(vocab_size=6, dim=16, N=3, T=2, use_act=False, seq_len=4)

    assert (model.config.H_cycles, model.config.L_cycles, model.config.use_act) == (3, 2, False)
