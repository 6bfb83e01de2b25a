import asyncio

import pytest

from agent_reasoning.service.once import Once


class Work:
    """Counts its runs; ends when it is let."""

    def __init__(self, *results):
        self.runs, self._results, self.may_end = 0, list(results), asyncio.Event()
        self.may_end.set()

    async def __call__(self):
        self.runs += 1
        await self.may_end.wait()
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def once(clock=lambda: 0.0, seconds=10.0, max_bytes=100):
    return Once(seconds, max_bytes, len, clock)


def test_within_the_window_the_result_is_the_same_and_after_it_another():
    async def run():
        now = 0.0
        work, results = Work("first", "second"), once(lambda: now)
        found = [await results.result("key", work)]
        now = 9.9
        found.append(await results.result("key", work))
        now = 10.1
        return [*found, await results.result("key", work)], work.runs

    assert asyncio.run(run()) == (["first", "first", "second"], 2)


def test_keys_do_not_mix():
    async def run():
        results = once()
        return [await results.result(key, Work(key)) for key in ("a", "b", "a")], results.find("c")

    assert asyncio.run(run()) == (["a", "b", "a"], "begun")


def test_who_asks_while_it_runs_joins_and_a_failure_is_everybodys_and_not_kept():
    async def run():
        work, results = Work(ValueError("no"), "then"), once()
        work.may_end.clear()
        asking = [asyncio.ensure_future(results.result("key", work)) for _ in range(3)]
        await asyncio.sleep(0)
        assert results.find("key") == "running"
        work.may_end.set()
        failures = await asyncio.gather(*asking, return_exceptions=True)
        return [str(failure) for failure in failures], await results.result("key", work), work.runs

    assert asyncio.run(run()) == (["no"] * 3, "then", 2)


def test_who_goes_does_not_stop_the_work():
    async def run():
        work, results = Work("done"), once()
        work.may_end.clear()
        asking = asyncio.ensure_future(results.result("key", work))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        work.may_end.set()
        return await results.result("key", work), work.runs, results.running

    assert asyncio.run(run()) == ("done", 1, 0)


def test_results_are_bounded_in_bytes_together_and_one_that_is_larger_is_not_kept():
    async def run():
        results = once(max_bytes=100)
        for key in range(5):
            await results.result(key, Work("x" * 40))
        await results.result("large", Work("x" * 101))
        return [results.find(key) for key in (*range(5), "large")]

    assert asyncio.run(run()) == ["begun", "begun", "begun", "kept", "kept", "begun"]
