import copy
import shutil

import pytest
from starlette.testclient import TestClient

from agent_reasoning.api.app import create_app
from agent_reasoning.service.reason import ReasoningService
from tools.contract import OVERLAYS
from tools.manifests.build import OVERLAYS_AT, build


def pytest_collection_modifyitems(items):
    """`make validate` fails without Kustomize; the tests say that it is missing and go on."""
    if shutil.which("kustomize") or shutil.which("kubectl"):
        return
    for item in items:
        if {"built", "overlays", "tree"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason="neither kustomize nor kubectl is installed"))


@pytest.fixture(scope="session")
def built():
    """Each overlay's objects, as Kustomize builds them; to be read only."""
    return {overlay: build(OVERLAYS_AT / overlay) for overlay in OVERLAYS}


@pytest.fixture
def overlays(built):
    """The same, to be broken."""
    return copy.deepcopy(built)


@pytest.fixture
def tree(tmp_path):
    """A copy of the sources, to be broken before they are built."""
    shutil.copytree(OVERLAYS_AT, tmp_path / "kustomize")
    return tmp_path / "kustomize"


@pytest.fixture(scope="session")
def client(registry, models):
    with TestClient(create_app(ReasoningService(registry, models))) as client:
        yield client
