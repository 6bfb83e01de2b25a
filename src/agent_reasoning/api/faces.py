"""An error in the form that the face it came to speaks: OpenAI's under /v1, JSON-RPC's at /mcp, problem details everywhere
else."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from agent_reasoning.api.mcp import rejections as mcp
from agent_reasoning.api.openai import errors as openai
from agent_reasoning.api.problems import MEDIA_TYPE, describe_status, render
from agent_reasoning.errors import Unauthenticated

CHALLENGE = {"www-authenticate": 'Bearer realm="agent-reasoning"'}  # RFC 9110 §11.6.1: every 401 has one


def speaks_openai(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def rendered(path: str, error: Exception, request_id: str | None = None) -> Response:
    """Whatever was raised, for a request to `path`."""
    if path == mcp.PATH:
        response = mcp.refused(error, request_id)
    elif speaks_openai(path):
        response = openai.render(error, path)
    else:
        response = render(error, request_id)
    if isinstance(error, Unauthenticated):
        response.headers.update(CHALLENGE)
    return response


def rendered_status(path: str, error: HTTPException, request_id: str | None = None) -> Response:
    """For what the framework answers by itself: no such path, wrong method."""
    if speaks_openai(path):
        return openai.render(error, path)
    details = describe_status(error.status_code, error.detail, request_id)
    if path == mcp.PATH:
        return mcp.told(details, headers=error.headers)
    return JSONResponse(
        details.model_dump(exclude_none=True), details.status, headers=error.headers, media_type=MEDIA_TYPE
    )
