import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.api.openai.tokens import count, cut, pieces


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("Wave 1: a, b", 6), ("\n  ok \n", 2), ("a" * 40, 3), ("a → b", 3), ("   ", 1), ("[[1]]", 5)],
)
def test_a_token_is_a_word_or_another_character_with_the_space_before_it(text, tokens):
    assert count([text]) == tokens


@given(st.text(max_size=200), st.integers(1, 12))
def test_pieces_are_the_whole_text_and_a_cut_is_its_beginning(text, tokens):
    assert "".join(pieces(text, tokens)) == text
    assert all(1 <= count([piece]) <= tokens + 1 for piece in pieces(text, tokens))
    assert text.startswith(cut(text, tokens))
    assert count([cut(text, tokens)]) == min(tokens, count([text]))
