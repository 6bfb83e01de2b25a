"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, on every path below /v1."""

import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from agent_reasoning.api.problems import TYPE_PREFIX, describe, describe_status, retry_after
from agent_reasoning.errors import InvalidRequest, MalformedBody
from agent_reasoning.schemas import ProblemDetails

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# Where OpenAI has a word for it; else ours, with its own hyphens turned.
CODES = {"unauthenticated": "invalid_api_key", "rate-limited": "rate_limit_exceeded"}
# What is wrong with the problem that a message holds, and not with the request around it.
OF_THE_PROBLEM = ("unknown-task", "unmappable-context", "ambiguous-context", "invalid-context", "not-verified")


class Refused(Exception):
    """What only this face refuses. status: 400 or 404; param: the field that is at fault; code: OpenAI's where it has one."""

    def __init__(self, message: str, param: str | None, code: str, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


def holder_of(path: str) -> str:
    """The field that holds the problem."""
    return "input" if path.endswith("/responses") else "messages"


def body_of(error: Exception, path: str) -> dict[str, Any]:
    """Any exception as an error object."""
    return _told(error, path)[1]


def render(error: Exception, path: str) -> JSONResponse:
    status, body = _told(error, path)
    headers = error.headers if isinstance(error, HTTPException) else retry_after(error)
    return JSONResponse({"error": body}, status, headers=headers)


def _told(error: Exception, path: str) -> tuple[int, dict[str, Any]]:
    if isinstance(error, Refused):
        return error.status, _object(error.status, str(error), error.param, error.code)
    details = describe_status(error.status_code, error.detail) if isinstance(error, HTTPException) else describe(error)
    # A request that breaks its schema is a 400 there; 422 is left for a sound request with an unsound problem.
    status = 400 if type(error) in (InvalidRequest, MalformedBody) else details.status
    code = details.type.removeprefix(TYPE_PREFIX)
    param = holder_of(path) if code in OF_THE_PROBLEM else _param(details)
    return status, _object(status, details.detail, param, CODES.get(code, code.replace("-", "_")))


def _object(status: int, message: str, param: str | None, code: str) -> dict[str, Any]:
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": message, "type": kind, "param": param, "code": code}


def _param(details: ProblemDetails) -> str | None:
    """The first field that is at fault, as OpenAI writes it: `messages[0].content`."""
    places = (details.model_extra or {}).get("errors")
    return re.sub(r"\.(\d+)", r"[\1]", places[0]["where"]) if places else None
