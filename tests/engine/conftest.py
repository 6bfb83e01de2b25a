import pytest

from agent_reasoning.engine.engine import Engine
from tests.conftest import starting
from tests.engine.toy import Counting


@pytest.fixture
def engines():
    with starting(lambda model=None, **options: Engine([model or Counting()], **{"workers": 1} | options)) as make:
        yield make
