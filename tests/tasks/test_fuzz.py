"""The fuzzers of `python -m benchmarks.fuzz`, briefly: each verifier against an independent checker."""

import pytest

from benchmarks.fuzz import __main__ as fuzz


def test_no_answer_is_called_what_it_is_not(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fuzz", "--count", "400", "--seed", "1"])

    fuzz.main()

    assert capsys.readouterr().out.count("none wrongly") == 8


def test_a_verifier_that_refuses_what_is_right_is_caught(monkeypatch):
    monkeypatch.setattr("sys.argv", ["fuzz", "--count", "400"])
    monkeypatch.setattr(fuzz.rollout, "verify", lambda instance, solution: fuzz.rollout.TASK.verify(instance[0], {}))

    with pytest.raises(SystemExit, match="waves"):
        fuzz.main()
