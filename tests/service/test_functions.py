"""Registering and calling functions; what hostile code does is in tests/api/test_hostile.py."""

import asyncio
import time

import pytest

from agent_reasoning.errors import (
    ConfigurationError,
    FunctionExists,
    FunctionFailed,
    InvalidFunction,
    NotReady,
    Overloaded,
    UnknownFunction,
)
from agent_reasoning.schemas import FunctionSource
from agent_reasoning.service.functions import Call, Functions, SandboxLimits
from agent_reasoning.service.functions.functions import MAX_FUNCTIONS

ADD = "def add(a: int, b: int = 3, *, note: str = '') -> int:\n    print('adding', note)\n    return a + b\n"
LOOP = "def loop():\n    while True:\n        pass\n"


def source(name, code):
    return FunctionSource(name=name, code=code, description="For a test.")


def with_functions(work, **limits):
    async def run():
        functions = Functions(SandboxLimits(**{"seconds": 0.5, **limits}))
        functions.start()
        try:
            return await work(functions)
        finally:
            functions.close()

    return asyncio.run(run())


def calling(code, arguments, name="add"):
    async def work(functions):
        await functions.register(source(name, code))
        return await functions.run(name, arguments)

    return with_functions(work)


def test_a_registered_function_is_called_with_its_arguments_and_what_it_prints_is_kept():
    ran = calling(ADD, {"a": 5, "note": "x"})

    assert (ran.result, ran.output) == (8, "adding x\n")


def test_its_parameters_are_a_json_schema_of_the_signature():
    async def work(functions):
        return await functions.register(source("add", ADD))

    info = with_functions(work)

    assert info.parameters == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "a: Field required"),
        ({"a": "5"}, "a: Input should be a valid integer"),
        ({"a": True}, "a: Input should be a valid integer"),
        ({"a": 1, "z": 2}, "z: Extra inputs"),
        ({"a": None}, "a: Input"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(arguments, words):
    with pytest.raises(FunctionFailed, match=words):
        calling(ADD, arguments)


@pytest.mark.parametrize("name", ["copy", "schema", "model_config", "json", "p0", "self"])
def test_a_parameter_may_have_any_name(name):
    assert calling(f"def add({name}):\n    return {name} * 2\n", {name: 4}).result == 8


def test_what_json_can_hold_goes_in_and_comes_out():
    value = {"a": [1, 2.5, None, True, "ä\U0001f600"], "b": {"c": []}}

    assert calling("def add(x):\n    return x\n", {"x": value}).result == value


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        ("def add(:\n    pass\n", 1, "SyntaxError"),
        ("def add():\n    return (\n", 3, "SyntaxError"),
        ("x = 1\nimport socket\ndef add():\n    pass\n", 2, "No module named 'socket'"),
        ("def add(*a):\n    pass\n", 1, "name each parameter"),
        ("def other():\n    pass\n", None, "defines no function 'add'"),
        ("add = lambda: 1\n", None, "defines no function 'add'"),
        ("async def add():\n    pass\n", None, "defines no function 'add'"),
    ],
)
def test_code_that_cannot_be_called_is_refused_with_its_line(code, line, words):
    with pytest.raises(InvalidFunction, match=words) as refused:
        calling(code, {})

    assert refused.value.fields.get("line") == line


def test_what_goes_wrong_in_a_call_is_told_with_its_line():
    with pytest.raises(FunctionFailed, match="Line 3: ZeroDivisionError") as failed:
        calling("def add(a):\n    b = a - a\n    return a / b\n", {"a": 1})

    assert failed.value.fields["line"] == 3


def test_replacing_changes_the_function_and_deleting_ends_it():
    async def work(functions):
        await functions.register(source("add", ADD))
        with pytest.raises(FunctionExists):
            await functions.register(source("add", ADD))
        await functions.register(source("add", "def add():\n    return 'new'\n"), replace=True)
        replaced = await functions.call("add", {})
        functions.delete("add")
        with pytest.raises(UnknownFunction, match="calculate"):
            await functions.call("add", {})
        return replaced

    assert with_functions(work) == "new"


def test_a_refused_replacement_leaves_what_was_there():
    async def work(functions):
        await functions.register(source("add", ADD))
        with pytest.raises(InvalidFunction):
            await functions.register(source("add", "def add("), replace=True)
        return await functions.call("add", {"a": 1})

    assert with_functions(work) == 4


def test_what_is_built_in_stays():
    async def work(functions):
        with pytest.raises(FunctionExists):
            await functions.register(source("calculate", "def calculate():\n    return 1\n"), replace=True)
        with pytest.raises(FunctionExists):
            functions.delete("calculate")
        return await functions.call("calculate", {"expression": "15 + 25 * 3"})

    assert with_functions(work) == 90


def test_one_call_leaves_nothing_for_the_next():
    code = "seen = []\ndef add():\n    seen.append(1)\n    return len(seen)\n"

    async def work(functions):
        await functions.register(source("add", code))
        return [await functions.call("add", {}) for _ in range(3)]

    assert with_functions(work) == [1, 1, 1]


def test_there_is_an_end_to_how_many_there_may_be():
    async def work(functions):
        for number in range(MAX_FUNCTIONS):
            await functions.register(source(f"f{number}", f"def f{number}():\n    return {number}\n"))
        with pytest.raises(InvalidFunction, match="delete one first"):
            await functions.register(source("add", ADD))
        functions.delete("f0")
        await functions.register(source("add", ADD))
        return len(functions.list())

    assert with_functions(work) == MAX_FUNCTIONS + 4


def test_more_calls_than_may_run_wait_and_are_refused_when_they_wait_too_long():
    async def work(functions):
        await functions.register(source("loop", LOOP))
        calls = [functions.call("loop", {}) for _ in range(2)]
        return await asyncio.gather(*calls, return_exceptions=True)

    errors = with_functions(work, workers=1, wait_seconds=0.1, seconds=1.0)

    assert {type(error) for error in errors} == {FunctionFailed, Overloaded}


def test_the_event_loop_goes_on_while_a_function_runs():
    async def work(functions):
        await functions.register(source("loop", LOOP))
        running = asyncio.ensure_future(functions.call("loop", {}))
        turns = 0
        while not running.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(FunctionFailed, match="time limit"):
            await running
        return turns

    assert with_functions(work) > 10


def test_who_leaves_does_not_free_a_worker_that_still_runs():
    async def work(functions):
        await functions.register(source("loop", LOOP))
        leaving = asyncio.ensure_future(functions.call("loop", {}))
        while not functions._sandbox._free.locked():
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert functions._sandbox._free.locked()
        return await functions.call("calculate", {"expression": "1 + 1"})

    assert with_functions(work, workers=1) == 2


def test_without_limits_nothing_can_be_registered_and_what_is_built_in_answers():
    functions = Functions()

    assert not functions.open
    assert asyncio.run(functions.call("calculate", {"expression": "2^3"})) == 8


def test_a_sandbox_that_has_not_started_says_so():
    async def work():
        functions = Functions(SandboxLimits())
        try:
            await functions.register(source("add", ADD))
        finally:
            functions.close()

    with pytest.raises(NotReady):
        asyncio.run(work())


def test_a_sandbox_that_cannot_be_started_stops_the_start(monkeypatch):
    monkeypatch.setenv("MONTY_BIN", "/nonexistent")

    with pytest.raises(ConfigurationError, match="/nonexistent"):
        Functions(SandboxLimits()).start()


def test_it_can_be_started_again_after_its_end():
    functions = Functions(SandboxLimits())
    results = []
    for _ in range(2):
        functions.start()
        functions.start()
        asyncio.run(functions.register(source("add", ADD), replace=True))
        results.append(asyncio.run(functions.call("add", {"a": 1})))
        functions.close()

    assert results == [4, 4]


def test_arithmetic_is_answered_by_a_call_and_nothing_else_is():
    functions = Functions()

    assert functions.answering("What's 15 + 25 * 3?") == Call("calculate", {"expression": "15 + 25 * 3"})
    assert functions.answering("What time is it?") is None


def test_the_stand_ins_say_what_they_are():
    functions = Functions()
    infos = {info.name: info for info in functions.list()}

    weather = asyncio.run(functions.call("get_weather", {"location": "Paris"}))
    found = asyncio.run(functions.call("search_web", {"query": "recursion"}))

    assert all("Stand-in without network" in infos[name].description for name in ("get_weather", "search_web"))
    assert "Stand-in without network" in weather
    assert "temperature" in weather
    assert "Paris" in weather
    assert "Stand-in without network" in found


def test_the_time_is_the_time():
    before = time.time()

    said = asyncio.run(Functions().call("get_current_time", {}))

    assert before - 1 <= time.mktime(time.strptime(said, "%Y-%m-%d %H:%M:%S")) - time.timezone <= time.time() + 1
