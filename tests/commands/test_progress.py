from io import StringIO

from rich.console import Console

from agent_reasoning.commands.progress import LOG_SECONDS, counting


def test_where_there_is_no_terminal_a_line_now_and_then_says_how_far_it_is():
    log, now = StringIO(), [0.0]
    with counting(Console(file=log, force_terminal=False), 40, lambda: now[0]) as observe:
        for _ in range(40):
            now[0] += LOG_SECONDS / 10
            observe("17 givens, 64 samples", 1)

    said = [line.strip() for line in log.getvalue().splitlines() if " of " in line]
    assert said == [f"{LOG_SECONDS * n:.0f} s  {10 * n} of 40  17 givens, 64 samples" for n in (1, 2, 3, 4)]


def test_a_terminal_gets_the_bar_alone():
    shown, now = StringIO(), [0.0]
    with counting(Console(file=shown, force_terminal=True), 2, lambda: now[0]) as observe:
        now[0] = 10 * LOG_SECONDS
        observe("all", 2)

    assert " of 2" not in shown.getvalue()
