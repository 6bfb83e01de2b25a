"""The corpus of hostile code against a real server: each is refused or does no harm, and others are answered meanwhile."""

import pytest

from agent_reasoning.service.keys import new_key
from benchmarks.hostile.corpus import CORPUS
from benchmarks.hostile.run import run
from tests.live import serving


@pytest.mark.slow
def test_hostile_code_is_refused_or_harmless_and_the_service_answers_others_meanwhile_and_afterwards():
    key, line = new_key("hostile")
    with serving(FUNCTIONS_ENABLED="true", API_KEYS=line, FUNCTION_TIMEOUT_SECONDS="0.5", LOG_LEVEL="error") as (
        process,
        url,
    ):
        outcomes, seen = run(url, key, CORPUS)
        process.terminate()
        ended = process.wait(60)

    assert [outcome for outcome in outcomes if not outcome.as_expected] == []
    assert len(outcomes) == len(CORPUS) > 100
    assert seen.asked > 10
    assert seen.failures == []
    assert ended == 0
