"""Mazes over HTTP: what an untrained model says of one, a published checkpoint, and a service without a model for them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from agent_reasoning.api.app import create_app
from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.loading import Published, load_models
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.evaluation.published import as_published
from agent_reasoning.networks import load_checkpoint, save_checkpoint
from agent_reasoning.networks.bundle import Bundle, BundleConfig
from agent_reasoning.networks.config import TRMConfig
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.networks.trm import TRM
from agent_reasoning.service.reason import ReasoningService
from tests.conftest import ROOT

OPEN_HALL = {"maze": ["S    ", "     ", "     ", "     ", "    G"]}
CORRIDOR = {"maze": ["S#G", " # ", "   "]}


def serving(registry, models):
    return TestClient(create_app(ReasoningService(registry, models)), raise_server_exceptions=False)


def ask(client, context, **fields):
    return client.post("/reason", json={"question": "Which is the shortest way?", "context": context} | fields)


def untrained(registry):
    config = StructuredConfig(registry.get("maze").info.spec, hidden=8, H_cycles=1, L_cycles=1)
    network = StructuredNetwork(config, torch.Generator().manual_seed(0)).eval()
    return StructuredModel.of(Bundle(BundleConfig("fresh", "maze", config, 4), network), Confidence(), "cpu", "0" * 64)


def checkpoint(directory, **sizes):
    """A published TRM with the vocabulary of Maze-Hard, which has learned nothing."""
    given = {"hidden_size": 16, "num_heads": 2, "expansion": 2.0, "H_cycles": 2, "L_cycles": 2, "L_layers": 1,
             "vocab_size": 6, "seq_len": 900, "halt_max_steps": 3}  # fmt: skip
    model = TRM(TRMConfig(**(given | sizes)))
    model.reset_parameters(torch.Generator().manual_seed(0))
    return save_checkpoint(model, directory, 7)


def load(path, registry):
    return load_models(path, "cpu", Published(registry.vocabularies(), ROOT / "models"))


def test_what_an_untrained_model_says_is_not_called_a_path(registry):
    with serving(registry, [untrained(registry)]) as client:
        body = ask(client, OPEN_HALL, samples=4).json()
        refused = ask(client, OPEN_HALL, require_verified=True)

    assert (body["task"], body["task_type"], body["model"], body["source"]) == ("maze", "logic", "fresh", "model")
    assert (body["verified"], body["confidence"], body["optimal"], body["objective"]) == (False, 0.0, None, None)
    assert body["violations"]
    assert body["solution"]["path"][0] == [0, 0]
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (422, "not-verified")


def test_without_a_model_the_service_says_so(registry):
    with serving(registry, []) as client:
        body = ask(client, OPEN_HALL).json()

    assert (body["status"], body["type"].rpartition(":")[2]) == (503, "model-missing")
    assert "No model is loaded for maze" in body["detail"]


def test_a_goal_that_cannot_be_reached_is_said_before_any_model_is_asked(registry):
    with serving(registry, []) as client:
        response = ask(client, {"maze": ["S# ", "##G"]})

    assert response.status_code == 422
    assert response.json()["detail"] == "There is no path from S at [0, 0] to G at [1, 2]."


@pytest.mark.parametrize("family", ["attention", "mixer"])
def test_a_checkpoint_of_maze_hards_vocabulary_answers_over_http(tmp_path, registry, family):
    mixer = {"mlp_t": True, "pos_encodings": "none"} if family == "mixer" else {}
    hall = {"maze": ["S" + " " * 29, *[" " * 30] * 28, " " * 29 + "G"]}
    with serving(registry, load(checkpoint(tmp_path, **mixer), registry)) as client:
        body = ask(client, hall, max_steps=2).json()
        smaller = ask(client, CORRIDOR, max_steps=2)

    assert (body["task"], body["model"], body["steps"], body["verified"]) == ("maze", "trm-step_7", 2, False)
    if family == "attention":
        assert smaller.status_code == 200
    else:  # it mixes positions: it can read no other number of them
        assert smaller.status_code == 422
        assert smaller.json()["detail"] == "trm-step_7 reads problems of 900 cells, and this one has 9."


def test_a_checkpoint_that_marks_every_square_finds_the_way_where_there_is_one(tmp_path, registry):
    """It is made to say `o` everywhere; only open squares may answer that."""
    model = load(checkpoint(tmp_path), registry)[0]
    model.network.step = saying(torch.tensor([0.0, 1, 1, 1, 1, 2]), model.network.step)
    with serving(registry, [model]) as client:
        body = ask(client, CORRIDOR).json()
        hall = ask(client, OPEN_HALL).json()

    assert (body["verified"], body["confidence"], body["halted_by"], body["objective"]) == (True, 1.0, "verified", 6)
    assert body["answer"].startswith("6 steps from [0, 0] to [0, 2]:\nS#G\no#o\nooo")
    assert not hall["verified"]


def saying(logits, step):
    """The same token everywhere, whatever the network says."""

    def said(carry, batch, **options):
        following, output = step(carry, batch, **options)
        return following, replace(output, logits=logits.expand_as(output.logits))

    return said


def test_the_published_evaluation_compares_walls_and_ends_too(tmp_path, registry):
    maze = registry.get("maze")
    items = [maze.generate(np.random.default_rng(seed), 10) for seed in range(3)]
    path = checkpoint(tmp_path)
    network = load_checkpoint(path)
    tokens = np.stack([[1 + "# SG".index(c) for row in item.instance.rows for c in row] for item in items])
    labels = np.where((tokens == 2) & np.stack([item.choice == 1 for item in items]), 5, tokens)
    batch = {"inputs": torch.from_numpy(tokens), "puzzle_identifiers": torch.zeros(3, dtype=torch.int64)}
    carry = network.initial_carry(3)
    with torch.inference_mode():
        for _ in range(3):
            carry, output = network.step(carry, batch)

    found = as_published(maze, load(path, registry)[0], "toy", items, lambda what, done: None)

    assert found.cells == pytest.approx((output.logits.argmax(-1).numpy() == labels).mean())
