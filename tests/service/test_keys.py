import pytest

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.service.keys import Keys, new_key, read_keys


def test_a_new_key_is_let_in_by_its_line_and_no_other_is():
    key, line = new_key("sre-bot")
    keys = Keys([line])

    assert keys.name_of(key) == "sre-bot"
    assert [keys.name_of(other) for other in ("", key[:-1], key + "x", key.upper(), new_key("a")[0], "x" * 10_000)] == [
        None
    ] * 6


def test_the_line_does_not_hold_the_key_and_no_two_keys_are_alike():
    pairs = [new_key("a") for _ in range(100)]

    assert len({key for key, _ in pairs}) == 100
    assert not any(key in line or key[3:] in line for key, line in pairs)


def test_two_keys_of_one_name_are_one_client():
    (first, one), (second, other) = new_key("bot"), new_key("bot")
    keys = Keys([one, other])

    assert keys.name_of(first) == keys.name_of(second) == "bot"


def test_a_file_may_have_comments_and_empty_lines(tmp_path):
    key, line = new_key("a")
    path = tmp_path / "keys"
    path.write_text(f"# clients\n\n  {line}  \n")

    assert read_keys(None, path).name_of(key) == "a"


def test_the_environment_takes_lines_and_commas():
    (first, one), (second, other) = new_key("a"), new_key("b")

    assert [read_keys(f"{one},{other}\n", None).name_of(key) for key in (first, second)] == ["a", "b"]


def test_nothing_configured_lets_everybody_in():
    assert not read_keys(None, None)


@pytest.mark.parametrize(
    "line", ["{key}", "bot:{key}", "bot:abc", "Bot:" + "0" * 64, ":" + "0" * 64, "bot:" + "0" * 65]
)
def test_a_line_that_lets_nobody_in_stops_the_start_without_being_shown(line, tmp_path):
    key = new_key("bot")[0]
    path = tmp_path / "keys"
    path.write_text("# first\n" + line.format(key=key))

    with pytest.raises(ConfigurationError, match="line 2") as refused:
        read_keys(None, path)

    assert key not in str(refused.value)


def test_a_file_that_is_named_has_to_be_there_and_hold_a_key(tmp_path):
    (tmp_path / "empty").write_text("# none yet\n")

    with pytest.raises(ConfigurationError, match="holds no key"):
        read_keys(None, tmp_path / "empty")
    with pytest.raises(ConfigurationError, match="No such file"):
        read_keys(None, tmp_path / "absent")


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 65, "a:b", "ä"])
def test_a_name_that_no_line_can_have_is_refused(name):
    with pytest.raises(ConfigurationError):
        new_key(name)
