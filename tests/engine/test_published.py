"""Published checkpoints behind the engine and the service: what is theirs stays theirs, what is ours is ours."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from agent_reasoning.api.app import create_app
from agent_reasoning.engine.loading import Published, load_models
from agent_reasoning.engine.sequence import PublishedModel
from agent_reasoning.errors import BundleError, CheckpointError, ConfigurationError
from agent_reasoning.evaluation.published import as_published
from agent_reasoning.networks import load_checkpoint, save_checkpoint
from agent_reasoning.networks.config import HRMConfig, TRMConfig
from agent_reasoning.networks.hrm import HRM
from agent_reasoning.networks.trm import TRM
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.training.act import ActTrainConfig, ActTrainer
from tests.conftest import ROOT

SIZES = {"hidden_size": 16, "num_heads": 2, "expansion": 2.0, "H_cycles": 2, "L_cycles": 2, "L_layers": 1}
HALT_MAX_STEPS = 3
EASY = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"


def checkpoint(directory, vocab_size=11, family="trm"):
    sizes = SIZES | {"vocab_size": vocab_size, "seq_len": 81, "halt_max_steps": HALT_MAX_STEPS}
    model = TRM(TRMConfig(**sizes, mlp_t=True)) if family == "trm" else HRM(HRMConfig(**sizes, H_layers=1))
    model.reset_parameters(torch.Generator().manual_seed(0))
    torch.nn.init.normal_(model.q_head.weight, generator=torch.Generator().manual_seed(1))
    return save_checkpoint(model, directory, 7)


def load(path, registry, **cycles):
    return load_models(path, "cpu", Published(registry.vocabularies(), ROOT / "models", **cycles))


@pytest.fixture
def problem(registry):
    sudoku = registry.get("sudoku")
    return sudoku.encode(sudoku.read({"puzzle": EASY}))


@pytest.mark.parametrize("family", ["trm", "hrm"])
def test_a_checkpoint_serves_the_task_of_its_vocabulary_and_bundles_the_others(tmp_path, registry, family):
    models = load(checkpoint(tmp_path, family=family), registry)

    assert {model.task: model.architecture for model in models} == {
        "sudoku": family,
        "maze": "structured",
        "placement": "structured",
        "rollout": "structured",
        "root-cause": "structured",
    }


def test_a_vocabulary_of_no_task_is_refused_with_those_there_are(tmp_path, registry):
    with pytest.raises(BundleError, match=r"vocabulary of 7 tokens.*sudoku \(11\)"):
        load(checkpoint(tmp_path, vocab_size=7), registry)


def test_a_checkpoint_without_its_configuration_is_refused_by_name(tmp_path, registry):
    path = checkpoint(tmp_path)
    (tmp_path / "all_config.yaml").unlink()

    with pytest.raises(CheckpointError, match=r"all_config\.yaml"):
        load(path, registry)


def test_other_cycles_may_be_asked_for(tmp_path, registry):
    path = checkpoint(tmp_path)

    assert load(path, registry)[0].applications_per_step == 2 * 3
    assert load(path, registry, H_cycles=3, L_cycles=4)[0].applications_per_step == 3 * 5


def test_each_step_answers_what_the_published_model_says_for_the_blanks(tmp_path, registry, problem):
    path = checkpoint(tmp_path)
    model, network = load(path, registry)[0], load_checkpoint(path)
    batch = {
        "inputs": torch.from_numpy(problem.published.tokens)[None],
        "puzzle_identifiers": torch.zeros(1, dtype=torch.int64),
    }
    carry = network.initial_carry(1)
    refinement = model.begin([problem])

    with torch.inference_mode():
        for _ in range(HALT_MAX_STEPS):
            carry, output = network.step(carry, batch)
            refined = refinement.step()

            best = output.logits[0, :, 2:11].argmax(-1).numpy()
            blank = problem.tokens == 0
            assert (refined.choices[0][blank] == best[blank]).all()
            assert refined.q_halt_logits[0] == pytest.approx(output.q_halt_logits[0].item(), abs=1e-5)


def test_a_trajectory_goes_on_beyond_the_published_number_of_steps(tmp_path, registry, problem):
    """The published step starts a halted row afresh; a request that asks for more steps must not be sent back."""
    model = load(checkpoint(tmp_path), registry)[0]
    longer = replace(model.network.config, halt_max_steps=50)
    patient = load(checkpoint(tmp_path), registry)[0]
    patient.network.config = longer

    one, other = (
        [refinement.step().q_halt_logits[0] for _ in range(2 * HALT_MAX_STEPS)]
        for refinement in (model.begin([problem]), patient.begin([problem]))
    )

    assert one == other
    assert one[HALT_MAX_STEPS] != one[0]


def test_rows_that_leave_do_not_disturb_those_that_stay(tmp_path, registry, problem):
    sudoku = registry.get("sudoku")
    others = [sudoku.encode(sudoku.generate(np.random.default_rng(seed), 40).instance) for seed in range(2)]
    model = load(checkpoint(tmp_path), registry)[0]
    alone, among = model.begin([problem]), model.begin([others[0], problem, others[1]])

    alone.step(), among.step()
    among.keep([1])

    for _ in range(3):
        one, other = alone.step(), among.step()
        assert (one.choices == other.choices).all()
        assert one.q_halt_logits == pytest.approx(other.q_halt_logits, abs=1e-4)


def test_a_published_checkpoint_answers_over_http_and_what_it_gets_wrong_is_not_verified(tmp_path, registry):
    models = load(checkpoint(tmp_path), registry)
    assert isinstance(models[0], PublishedModel)
    with TestClient(create_app(ReasoningService(registry, models))) as client:
        body = client.post("/reason", json={"question": "Solve.", "context": {"puzzle": EASY}}).json()
        listed = {model["task"]: model for model in client.get("/models").json()}

    grid = [digit for row in body["solution"]["grid"] for digit in row]
    assert (body["verified"], body["confidence"], body["halted_by"], body["steps"]) == (False, 0.0, "max_steps", 6)
    assert (body["source"], body["model"]) == ("model", "trm-step_7")
    assert all(given in (".", str(found)) for given, found in zip(EASY, grid, strict=True))
    assert listed["sudoku"]["architecture"] == "trm"
    assert not listed["sudoku"]["calibrated"]
    assert listed["rollout"]["calibrated"]


@pytest.mark.parametrize("case", ["trm_mlp_t", "trm_att_rope", "hrm_v1_rope", "hrm_orig_rope"])
def test_checkpoints_that_the_published_code_wrote_are_served(shared, registry, case):
    (path,) = (shared / "golden" / case).glob("step_*")

    with TestClient(create_app(ReasoningService(registry, load(path, registry)))) as client:
        body = client.post("/reason", json={"question": "Solve.", "context": {"puzzle": EASY}, "max_steps": 2}).json()

    assert (body["task"], body["steps"], body["verified"]) == ("sudoku", 2, False)


def test_the_published_evaluation_runs_all_steps_and_compares_every_cell(tmp_path, registry):
    sudoku = registry.get("sudoku")
    items = [sudoku.generate(np.random.default_rng(seed), 60) for seed in range(3)]
    path = checkpoint(tmp_path)
    network = load_checkpoint(path)
    tokens = [sudoku.encode(item.instance).published.tokens for item in items]
    batch = {"inputs": torch.from_numpy(np.stack(tokens)), "puzzle_identifiers": torch.zeros(3, dtype=torch.int64)}
    carry = network.initial_carry(3)
    with torch.inference_mode():
        while not carry.halted.all() or not carry.data:
            carry, output = network.step(carry, batch)
    right = output.logits.argmax(-1).numpy() == np.stack([item.choice for item in items]) + 2

    found = as_published(sudoku, load(path, registry)[0], "toy", items, lambda what, done: None)

    assert (found.steps, found.instances) == (HALT_MAX_STEPS, 3)
    assert found.cells == pytest.approx(right.mean())
    assert found.exact == right.all(1).mean()


def test_a_structured_model_has_no_published_evaluation(registry, models):
    model = next(model for model in models if model.task == "sudoku")

    with pytest.raises(ConfigurationError, match="no published checkpoint"):
        as_published(registry.get("sudoku"), model, "toy", [], lambda what, done: None)


def test_int8_weights_are_an_option(tmp_path, registry, problem):
    path = checkpoint(tmp_path)

    model = load(path, registry, int8=True)[0]

    assert model.name == "trm-int8-step_7"
    plain, rounded = load(path, registry)[0].begin([problem]).step(), model.begin([problem]).step()
    assert rounded.q_halt_logits == pytest.approx(plain.q_halt_logits, rel=0.1)
    assert (rounded.q_halt_logits != plain.q_halt_logits).all()


def test_a_checkpoint_trained_here_and_saved_as_published_answers_verified(tmp_path, registry):
    """Four puzzles learnt by heart: enough to see that what was trained is what is served."""
    sudoku = registry.get("sudoku")
    items = [sudoku.generate(np.random.default_rng(seed), 40) for seed in range(4)]
    forms = [sudoku.encode(item.instance).published for item in items]
    batch = {
        "inputs": torch.from_numpy(np.stack([form.tokens for form in forms])),
        "labels": torch.from_numpy(
            np.stack([form.answers[item.choice] for form, item in zip(forms, items, strict=True)])
        ),
        "puzzle_identifiers": torch.zeros(4, dtype=torch.int64),
    }
    config = TRMConfig(**SIZES | {"hidden_size": 64}, vocab_size=11, seq_len=81, mlp_t=True, halt_max_steps=4)
    model = TRM(config)
    model.reset_parameters(torch.Generator().manual_seed(0))
    training = ActTrainConfig(400, lr=1e-3, lr_warmup_steps=20, lr_min_ratio=0.05, weight_decay=0.0, ema_rate=None)
    trainer = ActTrainer(model, training)
    trainer.train(itertools.repeat(batch))

    models = load(trainer.save(tmp_path), registry)
    with TestClient(create_app(ReasoningService(registry, models))) as client:
        puzzles = ["".join(map(str, item.instance.givens)) for item in items]
        answers = [client.post("/reason", json={"question": "?", "context": {"puzzle": p}}).json() for p in puzzles]

    assert [answer["verified"] for answer in answers] == [True] * 4
    assert {(answer["model"], answer["source"], answer["halted_by"]) for answer in answers} == {
        ("trm-step_400", "model", "verified")
    }
