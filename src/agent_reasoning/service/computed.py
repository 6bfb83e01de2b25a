"""The answer to a question that a function answers: who computed it, and who checked it."""

import time
from fractions import Fraction

from agent_reasoning.errors import NotVerified
from agent_reasoning.schemas import ReasonRequest, ReasonResponse
from agent_reasoning.service.functions import Call, Functions
from agent_reasoning.service.functions.exact import NotExact, value_of


async def computed(
    functions: Functions, call: Call, request: ReasonRequest, request_id: str, begun: float
) -> ReasonResponse:
    """`call` is one of `calculate`, the only function that questions are answered by. Raises FunctionFailed.

    `verified` keeps its meaning: something exact, which shares no code with who found the answer, checked it. Here that
    is the same arithmetic over fractions by another method; of a value that is no fraction nothing is verified.
    """
    expression = call.arguments["expression"]
    result = await functions.call(call.name, call.arguments)
    violations, exact = checked(expression, result)
    if request.require_verified and violations:
        raise NotVerified("The function's result could not be verified.", violations=violations)
    rounded = exact is not None and exact.denominator != 1 and Fraction(str(result)) != exact
    solution = {"function": call.name, "arguments": call.arguments, "result": result}
    if rounded:
        solution["exact"] = str(exact)
    return ReasonResponse(
        answer=f"{expression} {'≈' if rounded or exact is None else '='} {result}",
        solution=solution,
        steps=0,
        confidence=0.0 if violations else 1.0,
        reasoning_trace=[],
        duration_ms=round((time.perf_counter() - begun) * 1000, 3),
        verified=not violations,
        violations=violations,
        task_type="general",
        task=call.name,
        source="function",
        model=f"function:{call.name}",
        halted_by="function",
        seed=request.seed,
        request_id=request_id,
        conversation_id=request.conversation_id,
    )


def checked(expression: str, result: float) -> tuple[list[str], Fraction | None]:
    """What is wrong with `result`, and the exact value where there is one; a float has to be the nearest to it."""
    try:
        exact = value_of(expression)
    except NotExact:
        return ["The value is no fraction, so that it could not be checked exactly."], None
    if result == (exact.numerator if exact.denominator == 1 else float(exact)):
        return [], exact
    return [f"Computed a second time, the value is {float(exact)!r}."], exact
