import pytest
from starlette.testclient import TestClient

from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.service.reason import ReasoningService

MAX_BODY = 20_000


@pytest.fixture(scope="session")
def client(registry, models):
    """The application with the models that ship."""
    app = create_app(ReasoningService(registry, models), Limits(max_body_bytes=MAX_BODY))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
