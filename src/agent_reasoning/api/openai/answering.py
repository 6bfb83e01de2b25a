"""From what is asked to a reply: by a model, by a function of ours, or by a function of the caller's."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request

from agent_reasoning.api.openai import calls, catalog, words
from agent_reasoning.api.openai.conversation import Ask, Reply, Thought
from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.api.openai.extraction import Posed, find_problem
from agent_reasoning.api.openai.form import counting
from agent_reasoning.api.openai.structured import Shape
from agent_reasoning.api.openai.tokens import cut
from agent_reasoning.api.reasoning import answer_of, answers_of
from agent_reasoning.errors import InvalidRequest, ReasoningError, UnmappableContext
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.service.computed import computed
from agent_reasoning.service.functions import Call, Functions
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.validation import validate

SHORT = 2_000  # characters of text that are searched for a problem at once; more goes to a thread
FACTS = ("verified", "source", "task", "solution", "violations", "confidence", "optimal", "objective", "bound")
NOT_SATISFIED = "schema_not_satisfied"
SAYS_SO = {"verified", "violations", "answer"}  # members that tell an unverified answer from a verified one


@dataclass(frozen=True, slots=True)
class Face:
    """What is around a request."""

    request: Request
    service: ReasoningService
    functions: Functions
    task: str | None
    """The task that the chosen model serves; None: the problem decides."""

    def fits(self, context: Mapping[str, Any]) -> bool:
        return any(task.matches(context) for task in self.service.registry.all() if self.task in (None, task.info.name))


async def replies(ask: Ask, face: Face) -> AsyncGenerator[Thought | Reply]:
    """The lines of the trace as they come where the ask is for a stream, then the reply, which has them all.

    Raises Refused and the errors of the package's tree.
    """
    with counting(face.service):
        face.service.check_open()
        posed = None if ask.results else await _found(ask.question, face)
        if ask.results and (posed := await _found_in_results(ask, face)) is None:
            reply, posed = await _with_results(ask, face)
            if reply is not None:
                yield _counted(face, reply)
                return
        wanted = face.functions.answering(ask.question) if posed is None else None
        if not ask.results:
            task = None if posed is None else _task_of(posed, face)
            call = calls.asking(ask, posed, task, wanted)
            if call is not None:
                yield _counted(face, Reply(ask.model, call=call, facts={"source": "function"}))
                return
    if posed is not None:
        async with aclosing(_solved(ask, posed, face)) as found:
            async for one in found:
                yield one
    elif wanted is not None:
        with counting(face.service):
            reply = await _computed(ask, wanted, face)
        yield _counted(face, reply)
    else:
        yield _without_problem(ask, face)


async def _found(text: str, face: Face) -> Posed | None:
    if len(text) <= SHORT:
        return find_problem(text, face.fits)
    return await asyncio.to_thread(find_problem, text, face.fits)


async def _found_in_results(ask: Ask, face: Face) -> Posed | None:
    """What a function has fetched may be the problem that the user's words are about."""
    for result in ask.results:
        posed = await _found(result.content, face)
        if posed is not None:
            return replace(posed, question=ask.question)
    return None


def _task_of(posed: Posed, face: Face) -> str | None:
    """By name; None where that is for the service to find wrong."""
    named = face.task or posed.options.get("task")
    if isinstance(named, str):
        return named if named in face.service.models else None
    with suppress(ReasoningError):
        kind = posed.options.get("task_type", "general")
        found = face.service.registry.find(posed.context, str(posed.options.get("question", posed.question)), kind)
        return found.task.info.name if found.task.info.name in face.service.models else None
    return None


def reason_request(ask: Ask, posed: Posed, face: Face) -> ReasonRequest:
    """Raises InvalidRequest for options that POST /reason would refuse."""
    options = dict(posed.options)
    if face.task is not None and options.setdefault("task", face.task) != face.task:
        raise Refused(
            f"The message asks for {options['task']!r}, and the model {ask.model} serves {face.task}.",
            "model",
            "wrong_model",
        )
    options.setdefault("question", posed.question or ask.instructions[:4096] or "Solve this.")
    options.setdefault("seed", ask.seed)
    return validate(ReasonRequest, options | {"context": dict(posed.context)}, InvalidRequest, "problem")


async def _solved(ask: Ask, posed: Posed, face: Face) -> AsyncGenerator[Thought | Reply]:
    with counting(face.service):
        body = reason_request(ask, posed, face)
    if not ask.stream:
        yield _told(ask, await answer_of(face.service, body, face.request), face)
        return
    task = _task_of(posed, face)
    model = ask.model if task is None else catalog.name_of(face.service, task)
    async with aclosing(answers_of(face.service, body, face.request)) as answers:
        async for answer in answers:
            if isinstance(answer, StreamedStep):
                yield Thought(model, words.thought(answer))
            else:
                yield _told(ask, answer, face)


def _told(ask: Ask, response: ReasonResponse, face: Face) -> Reply:
    """An answer of a model's in the form that was asked for."""
    text = words.answer(response)
    facts = {name: getattr(response, name) for name in FACTS}
    reply = Reply(
        catalog.name_of(face.service, response.task),
        thoughts=tuple(words.thought(step) for step in response.reasoning_trace),
        facts=facts,
    )
    known = response.model_dump(exclude={"answer", "reasoning_trace"}) | {"answer": text} | response.solution
    lone = [text, response.solution, *response.solution.values()] if response.verified else [text]
    call = calls.telling(ask, known, lone)
    if call is not None and (response.verified or _says_so(call.arguments, text)):
        return replace(reply, call=call)
    return _formed(ask, reply, text, known, lone, verified=response.verified, plain=response.solution)


def _says_so(members: Mapping[str, Any], text: str) -> bool:
    return not SAYS_SO.isdisjoint(members) or text in members.values()


def _formed(
    ask: Ask,
    reply: Reply,
    text: str,
    known: Mapping[str, Any],
    lone: list[Any],
    *,
    verified: bool,
    plain: Mapping[str, Any],
) -> Reply:
    """The text, or in its place JSON as the response format wants it. plain: what an object of no given form holds."""
    if ask.form == "json_object":
        said = {name: reply.facts[name] for name in ("verified", "source") if name in reply.facts}
        text = json.dumps({**said, "answer": text, **plain}, ensure_ascii=False)
    elif ask.form == "json_schema":
        shape = Shape(ask.schema)
        found = shape.fill(known, lone, calls.WRAPPERS)
        if found is None:
            properties, _ = shape.names()
            wrong = shape.wrong_with({name: known[name] for name in properties if name in known})
            raise Refused(
                f"The answer does not fit the schema: {wrong} What is known has the names {', '.join(sorted(known))}.",
                ask.format_param, NOT_SATISFIED,
            )  # fmt: skip
        if not verified and not _says_so(found, text):
            return replace(reply, refusal=text)
        text = json.dumps(found, ensure_ascii=False)
    return _cut(ask, replace(reply, text=text))


def _cut(ask: Ask, reply: Reply) -> Reply:
    """What the stop sequences and the limit leave of the text."""
    text = reply.text or ""
    ends = [found for stop in ask.stop if (found := text.find(stop)) >= 0]
    text = text[: min(ends, default=len(text))]
    if ask.limit is None or (short := cut(text, ask.limit)) == text:
        return replace(reply, text=text)
    return replace(reply, text=short, finish="length")


async def _computed(ask: Ask, call: Call, face: Face) -> Reply:
    """As POST /reason answers it: computed by a function, and checked by arithmetic that shares no code with it."""
    request = ReasonRequest(question=ask.question)
    response = await computed(face.functions, call, request, face.request.scope["request_id"], time.perf_counter())
    result = response.solution["result"]
    function = {"name": call.name, "arguments": dict(call.arguments), "result": result}
    facts = {
        "verified": response.verified,
        "violations": response.violations,
        "source": "function",
        "function": function,
    }
    return _of_function(ask, Reply(ask.model, facts=facts), response.answer, result)


async def _with_results(ask: Ask, face: Face) -> tuple[Reply | None, Posed | None]:
    """The final answer of a tool loop: what the functions gave, of which nothing was checked here. Where that does not fit
    the form that was asked for, the problem of the user's message, if there is one, is to be solved here."""
    reply = Reply(ask.model, facts={"verified": None, "source": "function"})
    contents = [_value(one.content) for one in ask.results]
    try:
        result = contents[0] if len(contents) == 1 else contents
        return _of_function(ask, reply, words.reported(ask.results), result), None
    except Refused:
        posed = await _found(ask.question, face)
        if posed is None:
            raise
        return None, posed


def _of_function(ask: Ask, reply: Reply, text: str, result: Any) -> Reply:
    members = result if isinstance(result, dict) else {}
    known = {"answer": text, "result": result, "source": "function"} | members
    lone = [text, result]
    call = calls.telling(ask, known, lone)
    if call is not None:
        return replace(reply, call=call)
    return _formed(ask, reply, text, known, lone, verified=True, plain={"result": result})


def _value(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _without_problem(ask: Ask, face: Face) -> Reply:
    """Not counted as an answer: POST /reason would have refused it."""
    face.service.metrics.failed("general", UnmappableContext.code)
    call = calls.as_a_last_resort(ask)
    reply = Reply(ask.model, facts={"verified": False, "source": None})
    if call is not None:
        return replace(reply, call=call)
    text = words.help_with(face.service, face.task)
    if ask.form != "text":
        return replace(reply, refusal=text)  # no JSON can say that there was no question
    return _cut(ask, replace(reply, text=text))


def _counted(face: Face, reply: Reply) -> Reply:
    face.service.metrics.completed("general")
    return reply
