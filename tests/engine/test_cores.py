import os

import pytest

from agent_reasoning.engine.cores import usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "expected"), [("max 100000", ALL), ("50000 100000", 1), ("150000 100000", min(2, ALL)), ("", ALL)]
)
def test_a_container_that_is_held_to_less_uses_less(tmp_path, limit, expected):
    path = tmp_path / "cpu.max"
    path.write_text(limit)

    assert usable_cores(path) == expected


def test_without_a_container_it_is_what_the_machine_gives(tmp_path):
    assert usable_cores(tmp_path / "nothing") == ALL
