"""What holds for TRM and HRM without any recording: configurations, batches, the carry."""

import pytest
import torch

from agent_reasoning.networks.config import ORIGINAL_HRM, HRMConfig, TRMConfig, parse_arch
from agent_reasoning.networks.hrm import build_hrm
from agent_reasoning.networks.layers import SwiGLU, rms_norm, rotary_tables, rotate
from agent_reasoning.networks.trm import TRM

SIZES = {"vocab_size": 5, "seq_len": 6, "hidden_size": 16, "num_heads": 2, "H_cycles": 2, "L_cycles": 2, "L_layers": 1}
EMBEDDED = {"puzzle_emb_ndim": 16, "puzzle_emb_len": 2, "num_puzzle_identifiers": 3}
DATA = {"vocab_size": 5, "seq_len": 6, "num_puzzle_identifiers": 1}


def trm(**changes):
    return TRM(TRMConfig(**SIZES | changes), torch.Generator().manual_seed(0)).eval()


def batch(rows=2, cells=6, **others):
    return {"inputs": torch.arange(rows * cells).view(rows, cells) % 5, **others}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_heads": 16, "pos_encodings": "rope"}, "even head width"),
        ({"puzzle_emb_len": 2}, "set both to 0"),
        ({"puzzle_emb_ndim": 40, "puzzle_emb_len": 2}, "does not fit"),
        ({"seq_len": None, "mlp_t": True}, "seq_len is needed"),
        ({"forward_dtype": "int8"}, "forward_dtype must be one of"),
        ({"H_cycles": 0}, "H_cycles must be at least 1"),
        ({"halt_exploration_prob": 1.5}, "from 0 to 1"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_words(changes, says):
    with pytest.raises(ValueError, match=says):
        TRMConfig(**SIZES | changes)


def test_all_missing_keys_of_arch_are_named_at_once():
    with pytest.raises(ValueError, match=r"arch lacks .*hidden_size.*H_cycles"):
        parse_arch({"name": TRMConfig.ARCH_NAME}, **DATA)


def test_a_number_that_yaml_reads_as_text_is_a_number():
    arch = TRMConfig(**SIZES).to_arch() | {"rms_norm_eps": "1e-5"}

    assert parse_arch(arch, **DATA).rms_norm_eps == 1e-5


@pytest.mark.parametrize(("key", "value"), [("L_cycles", 1.5), ("mlp_t", "yes"), ("hidden_size", None)])
def test_a_value_of_another_kind_is_refused_by_its_key(key, value):
    with pytest.raises(ValueError, match=f"arch.{key} must be"):
        parse_arch(TRMConfig(**SIZES).to_arch() | {key: value}, **DATA)


def test_keys_that_arch_leaves_out_take_the_published_defaults():
    arch = TRMConfig(**SIZES, **EMBEDDED | {"puzzle_emb_len": 16}).to_arch()
    for key in ("puzzle_emb_len", "forward_dtype", "rms_norm_eps", "rope_theta", "mlp_t", "no_ACT_continue"):
        del arch[key]

    config = parse_arch(arch, **DATA)

    assert (config.puzzle_positions, config.forward_dtype, config.rope_theta) == (16, "bfloat16", 10000.0)
    assert not config.learns_to_continue


def test_the_original_hrm_knows_no_mixer_and_no_missing_positions():
    arch = HRMConfig(**SIZES, H_layers=1).to_arch() | {"name": ORIGINAL_HRM, "mlp_t": True}

    assert not parse_arch(arch, **DATA).mlp_t
    with pytest.raises(ValueError, match="rope or learned"):
        parse_arch(arch | {"pos_encodings": "none"}, **DATA)


@pytest.mark.parametrize(("width", "inner"), [(512, 1536), (64, 256), (97, 512)])
def test_the_width_of_a_swiglu_is_rounded_up_to_a_multiple_of_256(width, inner):
    assert SwiGLU(width, 4.0).down_proj.in_features == inner


def test_an_rms_norm_has_mean_square_one_along_its_last_axis():
    normed = rms_norm(torch.randn(3, 50) * 7, 1e-5)

    torch.testing.assert_close(normed.square().mean(-1), torch.ones(3))


def test_rotation_makes_products_depend_on_distances_only():
    q, k = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 1, 10, 8)
    tables = rotary_tables(10, 8, 10000.0, torch.device("cpu"))

    products = (rotate(q, tables) @ rotate(k, tables).transpose(-1, -2))[0, 0]

    torch.testing.assert_close(products[3, 1], products[9, 7])
    assert not torch.isclose(products[3, 1], products[1, 3])
    torch.testing.assert_close(products[0, 0], (q[0, 0, 0] * k[0, 0, 0]).sum())


@pytest.mark.parametrize(
    ("changes", "given", "says"),
    [
        ({}, {"labels": torch.zeros(2, 6)}, "lacks 'inputs'"),
        ({}, {"inputs": torch.zeros(6, dtype=torch.int64)}, "must be"),
        ({}, batch(rows=3), "carry has 2 rows"),
        ({}, {"inputs": torch.full((2, 6), 5)}, "from 0 to 4"),
        ({"pos_encodings": "learned"}, batch(cells=7), "reads 6 cells, not 7"),
        (EMBEDDED, batch(), "lacks 'puzzle_identifiers'"),
        (EMBEDDED, batch(puzzle_identifiers=torch.tensor([0, 3])), "from 0 to 2"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_in_words(changes, given, says):
    model = trm(**changes)

    with pytest.raises(ValueError, match=says):
        model.step(model.initial_carry(2), given)


def test_attention_without_learned_positions_reads_any_length_but_not_in_the_middle_of_a_puzzle():
    model = trm(seq_len=None, halt_max_steps=2)
    carry, output = model.step(model.initial_carry(2), batch(cells=9))

    assert output.logits.shape == (2, 9, 5)
    with pytest.raises(ValueError, match="not halted"):
        model.step(carry, batch(cells=4))

    carry, _ = model.step(carry, batch(cells=9))
    assert carry.halted.all()
    assert model.step(carry, batch(cells=4))[1].logits.shape == (2, 4, 5)


def test_evaluation_stops_at_the_last_step_only_whatever_the_halting_head_says():
    model = trm(halt_max_steps=3)
    torch.nn.init.constant_(model.q_head.bias, 100.0)
    carry, halted = model.initial_carry(2), []

    for _ in range(4):
        carry, _ = model.step(carry, batch())
        halted.append(carry.halted.tolist())

    assert halted == [[False] * 2, [False] * 2, [True] * 2, [False] * 2]
    assert carry.steps.tolist() == [1, 1]


def test_training_stops_where_the_halting_head_says_so_unless_it_explores():
    model = trm(halt_max_steps=3, halt_exploration_prob=1.0).train()
    torch.nn.init.constant_(model.q_head.bias, 100.0)

    sure, _ = model.step(model.initial_carry(64), batch(rows=64))
    explores, _ = model.step(model.initial_carry(64), batch(rows=64), generator=torch.Generator().manual_seed(0))

    assert sure.halted.all()
    assert not explores.halted.any()  # each row asks for two steps at least
    assert model.step(explores, batch(rows=64), generator=torch.Generator().manual_seed(1))[0].halted.any()


def test_a_trm_that_learns_to_continue_halts_and_learns_as_hrm_does():
    model = trm(no_ACT_continue=False).train()
    with torch.no_grad():
        model.q_head.bias.copy_(torch.tensor([-4.0, -5.0]))  # surer of halting than of going on, and of neither

    carry, output = model.step(model.initial_carry(2), batch())

    assert carry.halted.all()
    assert output.target_q_continue.tolist() == pytest.approx([torch.tensor(-4.0).sigmoid().item()] * 2)


def test_without_act_training_takes_every_step_and_has_no_value_of_going_on():
    model = build_hrm(vocab_size=5, dim=16, N=1, T=1, use_act=False, halt_max_steps=2).train()
    torch.nn.init.constant_(model.q_head.bias, 100.0)

    carry, output = model.step(model.initial_carry(2), batch())

    assert not carry.halted.any()
    assert output.q_continue_logits is None
    assert output.target_q_continue is None


@pytest.mark.parametrize("changes", [{}, {"mlp_t": True}, {"pos_encodings": "learned"}, EMBEDDED])
def test_rows_do_not_hear_each_other(changes):
    model = trm(**changes)
    together = batch(rows=3, puzzle_identifiers=torch.arange(3))
    alone = {key: value[1:2] for key, value in together.items()}

    with torch.inference_mode():
        expected = model.step(model.initial_carry(3), together)[1].logits[1:2]
        found = model.step(model.initial_carry(1), alone)[1].logits

    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)  # matrix products of other shapes round otherwise


def test_a_fresh_model_is_drawn_as_published():
    model = TRM(TRMConfig(**SIZES | {"hidden_size": 256}), torch.Generator().manual_seed(0))

    weight = model.L_level.layers[0].mlp.gate_up_proj.weight

    assert weight.std().item() == pytest.approx(1 / 16, rel=0.02)
    assert weight.abs().max().item() <= 2 / 16 / 0.8796 + 1e-6
    assert model.q_head.bias.tolist() == [-5, -5]
    assert not model.q_head.weight.any()
    assert model.H_init.std().item() == pytest.approx(1, rel=0.2)
