"""At least once, and one result for each request, whatever breaks."""

import asyncio

from tests.delivery.run import Plan, deliver


def test_every_request_ends_in_one_result_though_the_service_dies_and_connections_break():
    # Short waits at first; seven minutes of them in all, so that no event dies merely because starts take long here.
    outcome = asyncio.run(deliver(Plan(requests=300, ends=3, scale=0.25, retries=13)))

    assert outcome.wrong == []
    assert (outcome.figures["kills"], outcome.figures["terminations"]) == (2, 1)
    assert outcome.figures["dropped_connections"] > 0
    assert outcome.figures["results_received"] > 300  # duplicates came, and were equal
