import pytest

from tests.mcp.talks import WAYS, talk


@pytest.fixture(scope="session", params=WAYS, ids=["-".join(way) for way in WAYS])
def told(request, live):
    return talk(*request.param, live)
