import os
from contextlib import contextmanager
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


@contextmanager
def starting(make):
    """What `make` makes, started, as often as it is called; all of them are stopped at the end."""
    started = []

    def begin(*given, **options):
        made = make(*given, **options)
        made.start()
        started.append(made)
        return made

    yield begin
    for made in started:
        made.stop()


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
    # A line a request would fill the pipe that nobody reads, and the server would stop at the next one.
    with serving(LOG_LEVEL="warning") as (_, url):
        yield url
