"""Which questions are arithmetic. Strict: what could mean anything else is left to the tasks."""

import re

from agent_reasoning.service.functions.arithmetic import MAX_EXPRESSION
from agent_reasoning.service.functions.exact import NotArithmetic, NotExact, tokens_of, value_of

# Of text with single spaces, so that there is one way to read each of them.
ASKING = (
    "(?:what['\u2019]?s|what is|how much is|how much are|what does|calculate|compute|evaluate|work out)"
    "(?: the (?:value|result) of)?"
)
QUESTION = re.compile(
    rf"(?:please,? )?(?P<asking>{ASKING} )?(?P<expression>[-+0-9.(][-+0-9.()*/^x×·÷− ]*)"
    r"(?P<equals>= ?|equals? ?)?(?:,? ?please ?)?[?.!]*",
    re.IGNORECASE,
)
WRITTEN = {"×": "*", "·": "*", "÷": "/", "−": "-"}
DATE = re.compile(r"\d{1,4}([-/])\d{1,2}\1\d{1,4}")


def expression_in(question: str) -> str | None:
    """What `calculate` is to be given for this question; None where it is no plain question about arithmetic.

    At least two numbers and an operator between them, asked for in so many words or by an equals sign. Dates,
    telephone numbers without a question around them, thousands separators and percentages are not taken for it.
    """
    if len(question) > MAX_EXPRESSION:
        return None
    match = QUESTION.fullmatch(" ".join(question.split()))
    if match is None or not (match["asking"] or match["equals"]):
        return None
    expression = match["expression"].rstrip(" .")
    for written, meant in WRITTEN.items():
        expression = expression.replace(written, meant)
    # "2 x 3" multiplies; of "2x" nobody knows.
    expression = re.sub(r"(?<=[0-9)]) x (?=[-0-9(])", " * ", expression, flags=re.IGNORECASE)
    if DATE.fullmatch(expression) or not _is_arithmetic(expression):
        return None
    return expression


def _is_arithmetic(expression: str) -> bool:
    try:
        if sum(token[0].isdigit() for token in tokens_of(expression)) < 2:
            return False
        value_of(expression)
    except (ZeroDivisionError, NotExact):
        return True  # it is arithmetic, and `calculate` says what is the matter with it
    except (NotArithmetic, RecursionError):
        return False
    return True
