"""An error in the form that the face it came to speaks: OpenAI's under /v1, problem details everywhere else."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from agent_reasoning.api.problems import MEDIA_TYPE, describe, describe_status, render, retry_after
from agent_reasoning.errors import Unauthenticated
from agent_reasoning.schemas import ProblemDetails

CHALLENGE = {"www-authenticate": 'Bearer realm="agent-reasoning"'}  # RFC 9110 §11.6.1: every 401 has one


def speaks_openai(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def rendered(path: str, error: Exception, request_id: str | None = None) -> Response:
    """Whatever was raised, for a request to `path`."""
    response = openai_form(describe(error, request_id)) if speaks_openai(path) else render(error, request_id)
    response.headers.update(retry_after(error))
    if isinstance(error, Unauthenticated):
        response.headers.update(CHALLENGE)
    return response


def rendered_status(path: str, error: HTTPException, request_id: str | None = None) -> Response:
    """For what the framework answers by itself: no such path, wrong method."""
    details = describe_status(error.status_code, error.detail, request_id)
    if speaks_openai(path):
        response = openai_form(details)
    else:
        response = JSONResponse(details.model_dump(exclude_none=True), details.status, media_type=MEDIA_TYPE)
    response.headers.update(error.headers or {})
    return response


def openai_form(details: ProblemDetails) -> JSONResponse:
    """The same facts as {"error": {"message", "type", "param", "code"}}, where SDKs look for them."""
    kind = "server_error" if details.status >= 500 else "invalid_request_error"
    code = "invalid_api_key" if details.status == 401 else details.type.rpartition(":")[2].replace("-", "_")
    told = {"message": details.detail, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": told}, details.status)
