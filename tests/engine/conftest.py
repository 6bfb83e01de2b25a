import pytest

from agent_reasoning.engine.engine import Engine
from tests.engine.toy import Counting


@pytest.fixture
def engines():
    started = []

    def make(model=None, **options):
        engine = Engine([model or Counting()], **{"workers": 1} | options)
        engine.start()
        started.append(engine)
        return engine

    yield make
    for engine in started:
        engine.stop()
