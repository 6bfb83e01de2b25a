import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agent_reasoning.engine.loading import load_bundles
from agent_reasoning.engine.model import Model
from agent_reasoning.tasks import Registry, builtin_tasks
from tests.live import serving

ROOT = Path(__file__).parents[1]

# A shared machine is slow at times, which is no property of the code.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_collection_modifyitems(items):
    if os.environ.get("RUN_EXTERNAL") == "1":
        return
    skip = pytest.mark.skip(reason="needs a program from outside Python: `make test-full` installs and runs it")
    for item in items:
        if "external" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return builtin_tasks()


@pytest.fixture(scope="session")
def models() -> list[Model]:
    """The bundles that ship."""
    return load_bundles(ROOT / "models", "cpu")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data that lies beside a checkout; tests that need it skip without it."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("the reference data is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def live():
    """The URL of a real server, a process of its own."""
    with serving(LOG_LEVEL="error") as (_, url):  # nobody reads the log, and a pipe that is full stops who writes to it
        yield url
