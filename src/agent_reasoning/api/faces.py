"""An error in the form that the face it came to speaks: OpenAI's under /v1, JSON-RPC's at /mcp, problem details everywhere
else."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from agent_reasoning.api.mcp import rejections as mcp
from agent_reasoning.api.problems import MEDIA_TYPE, describe, describe_status, render, retry_after
from agent_reasoning.errors import InvalidRequest, Unauthenticated
from agent_reasoning.schemas import ProblemDetails

CHALLENGE = {"www-authenticate": 'Bearer realm="agent-reasoning"'}  # RFC 9110 §11.6.1: every 401 has one
TYPES = {401: "authentication_error", 429: "rate_limit_error"}
# Where OpenAI has a word for it; else ours, with its hyphens turned.
CODES = {"unauthenticated": "invalid_api_key", "rate-limited": "rate_limit_exceeded"}


def speaks_openai(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def rendered(path: str, error: Exception, request_id: str | None = None) -> Response:
    """Whatever was raised, for a request to `path`."""
    if path == mcp.PATH:
        response = mcp.refused(error, request_id)
    elif speaks_openai(path):
        response = openai_form(error, describe(error, request_id))
    else:
        response = render(error, request_id)
    response.headers.update(retry_after(error))
    if isinstance(error, Unauthenticated):
        response.headers.update(CHALLENGE)
    return response


def rendered_status(path: str, error: HTTPException, request_id: str | None = None) -> Response:
    """For what the framework answers by itself: no such path, wrong method."""
    details = describe_status(error.status_code, error.detail, request_id)
    if speaks_openai(path):
        response = openai_form(error, details)
    else:
        response = JSONResponse(details.model_dump(exclude_none=True), details.status, media_type=MEDIA_TYPE)
    response.headers.update(error.headers or {})
    return response


def openai_form(error: Exception, details: ProblemDetails) -> JSONResponse:
    """The same facts as {"error": {"message", "type", "param", "code"}}, where SDKs look for them."""
    # A request that breaks its schema is a 400 there; 422 is left for a sound request with unsound contents.
    status = 400 if type(error) is InvalidRequest else details.status
    code = details.type.rpartition(":")[2]
    told = {
        "message": details.detail,
        "type": TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
        "param": None,
        "code": CODES.get(code, code.replace("-", "_")),
    }
    return JSONResponse({"error": told}, status)
