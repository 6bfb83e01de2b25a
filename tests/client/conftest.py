import pytest

EVENT_NAMES = (
    "REASONING_SERVICE_URL", "REASONING_API_KEY", "REASONING_USE_EVENTS",
    "KNATIVE_BROKER_URL", "K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch):
    """What the machine that runs the tests happens to set says nothing to them."""
    for name in EVENT_NAMES:
        monkeypatch.delenv(name, raising=False)
