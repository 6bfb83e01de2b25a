import json
from dataclasses import replace

import pytest
import torch

from agent_reasoning.errors import BundleError
from agent_reasoning.networks.bundle import BundleConfig, find_bundles, load_bundle, save_bundle
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.problem import ProblemSpec, RelationSpec

SPEC = ProblemSpec(
    ("a",),
    relations=(RelationSpec("r", 1), RelationSpec("s", 1)),
    groups=("g",),
    views=(("r", "s"), ("s", "r")),
)
CONFIG = StructuredConfig(SPEC, hidden=4)


@pytest.fixture
def bundle(tmp_path):
    network = StructuredNetwork(CONFIG, torch.Generator().manual_seed(0))
    save_bundle(tmp_path / "toy", BundleConfig("toy", "toy", CONFIG, 8, 0.1, samples=3), network, "# toy\n")
    return tmp_path / "toy", network


def test_a_bundle_loads_as_it_was_saved(bundle):
    path, network = bundle

    loaded = load_bundle(path)

    assert loaded.config == BundleConfig("toy", "toy", CONFIG, 8, 0.1, samples=3)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.network.state_dict()[name], tensor, atol=0, rtol=0)


def test_every_file_of_a_bundle_can_be_read_by_others(bundle):
    path, _ = bundle

    assert {file.name for file in path.iterdir()} == {"config.json", "model.safetensors", "CARD.md"}
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in path.iterdir())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors cannot be read"),
        (lambda path: (path / "model.safetensors").write_bytes(b"junk"), "model.safetensors cannot be read"),
        (lambda path: (path / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda path: (path / "config.json").write_text("[]"), "config.json cannot be read"),
        (lambda path: (path / "config.json").write_text('{"format": 9}'), "no structured bundle of format 1"),
    ],
)
def test_a_spoilt_bundle_is_refused_with_the_file_that_is_spoilt(bundle, spoil, words):
    path, _ = bundle
    spoil(path)

    with pytest.raises(BundleError, match=words):
        load_bundle(path)


def test_a_bundle_that_says_nothing_of_samples_and_views_has_one_of_each(bundle):
    path, _ = bundle
    data = json.loads((path / "config.json").read_text())
    del data["samples"], data["network"]["spec"]["views"]
    (path / "config.json").write_text(json.dumps(data))

    loaded = load_bundle(path).config

    assert loaded.samples == 1
    assert loaded.network.spec == replace(SPEC, views=())


@pytest.mark.parametrize("limit", ["samples", "max_steps"])
@pytest.mark.parametrize("wrong", [0, 65])
def test_more_than_a_request_may_ask_for_is_refused(bundle, limit, wrong):
    path, _ = bundle
    data = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(data | {limit: wrong}))

    with pytest.raises(BundleError, match=f"{limit} must be from 1 to 64, not {wrong}"):
        load_bundle(path)


def test_weights_of_another_size_are_refused(bundle):
    path, _ = bundle
    data = json.loads((path / "config.json").read_text())
    data["network"]["hidden"] = 6
    (path / "config.json").write_text(json.dumps(data))

    with pytest.raises(BundleError, match="does not fit"):
        load_bundle(path)


def test_bundles_are_found_in_a_directory_or_named_themselves(bundle, tmp_path):
    path, _ = bundle

    assert find_bundles(tmp_path) == find_bundles(path) == [path]


def test_a_place_without_bundles_is_refused(tmp_path):
    with pytest.raises(BundleError, match="holds no bundle"):
        find_bundles(tmp_path)
    with pytest.raises(BundleError, match="no directory"):
        find_bundles(tmp_path / "nowhere")
