import json

import pytest

from agent_reasoning import errors
from agent_reasoning.api.problems import compact, describe, passing

PASSING = {
    errors.BodyTooSlow, errors.RateLimited, errors.Overloaded, errors.NotReady, errors.ModelMissing,
    errors.DeadlineExceeded, errors.EngineFailed,
}  # fmt: skip
LASTING = {
    errors.MalformedBody, errors.BodyTooLarge, errors.MalformedEvent, errors.UnsupportedFormat, errors.InvalidRequest,
    errors.UnknownTask, errors.UnmappableContext, errors.AmbiguousContext, errors.InvalidContext, errors.NotVerified,
    errors.ResultTooLarge, errors.Unauthenticated, errors.UnknownFunction, errors.FunctionExists, errors.InvalidFunction,
    errors.FunctionFailed,
}  # fmt: skip


@pytest.mark.parametrize("kind", [*PASSING, ZeroDivisionError], ids=lambda kind: kind.__name__)
def test_what_may_succeed_later(kind):
    assert passing(kind("?", 1.0) if kind is errors.RateLimited else kind("?"))


@pytest.mark.parametrize("kind", LASTING, ids=lambda kind: kind.__name__)
def test_what_can_never_succeed(kind):
    assert not passing(kind("?"))


def test_a_problem_that_fits_is_whole():
    details = describe(errors.NotVerified("None.", violations=["a", "b"]), "r-1")

    assert json.loads(compact(details, 768)) == details.model_dump(exclude_none=True)


def test_a_problem_that_does_not_fit_loses_the_largest_members_first():
    details = describe(errors.InvalidContext("Wrong.", large=["x" * 100] * 20, small=[1, 2]), "r-1")

    found = json.loads(compact(details, 768))

    assert "large" not in found
    assert (found["small"], found["detail"], found["request_id"]) == ([1, 2], "Wrong.", "r-1")


@pytest.mark.parametrize("letter", ["x", "€", '"', "\x01"])
@pytest.mark.parametrize("length", [700, 5000])
def test_a_sentence_that_does_not_fit_is_cut(letter, length):
    details = describe(errors.InvalidContext(letter * length), "r" * 128)

    found = compact(details, 768)

    assert len(found) <= 768
    assert json.loads(found)["detail"].startswith(letter * 20)
    assert json.loads(found)["detail"].endswith("…")
