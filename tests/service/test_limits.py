import pytest

from agent_reasoning.errors import RateLimited
from agent_reasoning.service.limits import RateLimiter


def test_a_client_is_stopped_at_its_limit_and_no_other_with_it():
    limiter = RateLimiter("3/hour")
    for _ in range(3):
        limiter.check("one")

    with pytest.raises(RateLimited) as refused:
        limiter.check("one")
    limiter.check("other")

    assert "3 requests a hour" in str(refused.value)
    assert 3500 < refused.value.retry_after_seconds <= 3600


def test_off_lets_everything_through():
    limiter = RateLimiter("off")

    for _ in range(1000):
        limiter.check("one")


def test_what_is_given_back_may_be_sent_again():
    limiter = RateLimiter("2/hour")
    limiter.check("one")
    limiter.check("one")

    limiter.refund("one")
    limiter.refund("other")
    limiter.check("one")

    with pytest.raises(RateLimited):
        limiter.check("one")
