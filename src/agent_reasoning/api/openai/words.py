"""What is said in words beside a task's own answer."""

import json
from collections.abc import Sequence

from agent_reasoning.api.openai.conversation import Result
from agent_reasoning.schemas import ReasonResponse, StreamedStep, TraceStep
from agent_reasoning.service.catalog import task_summary
from agent_reasoning.service.reason import ReasoningService


def answer(response: ReasonResponse) -> str:
    """The answer, and what the verifier said of it; where it said no, that comes first, as the service has it."""
    if not response.verified:
        return response.answer
    best = " It is proven the best." if response.optimal else ""
    return f"{response.answer}\nVerified: an exact verifier checked this answer.{best}"


def thought(step: TraceStep) -> str:
    """A line of the trace."""
    sample = f"Sample {step.sample}, step" if isinstance(step, StreamedStep) and step.sample else "Step"
    verdict = "valid" if step.verified else "not valid"
    return (
        f"{sample} {step.step}: {step.intermediate_answer} "
        f"({step.changed} changed, confidence {step.confidence:.2f}, {verdict})\n"
    )


def help_with(service: ReasoningService, task: str | None) -> str:
    """One paragraph: what can be asked, and how. task: where the model was chosen, the one that it serves."""
    tasks = [one for one in service.registry.all() if one.info.name in service.models]
    chosen = [one for one in tasks if task is None or one.info.name == task]
    menu = " ".join(f"{one.info.name}: {one.info.summary}" for one in chosen)
    example = task_summary(chosen[0]).example
    said = json.dumps({"question": example["question"], "context": example["context"]}, ensure_ascii=False)
    other = f" Other problems are for other models: {', '.join(one.info.name for one in tasks)}." if task else ""
    return (
        "I found no problem in the last message that I could solve. I answer structured problems, and check the answers; I"
        " hold no conversation. Put the problem's data into the message as JSON or YAML (a Sudoku may be drawn), with a"
        f" sentence that says what is wanted. {menu}{other} For example: {said}"
    )


def reported(results: Sequence[Result]) -> str:
    """What the caller's functions gave."""
    return "\n".join(f"{one.name or 'The function'} gave {one.content.strip() or 'nothing'}" for one in results)
