"""What is wrong with a message to /mcp, or with who sent it: MCP clients show an error of JSON-RPC and no other body. Without
the SDK, which is large: middleware that refuses a request before it gets to the endpoint uses this, too."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from agent_reasoning.api.problems import describe, retry_after
from agent_reasoning.errors import MalformedBody
from agent_reasoning.schemas import ProblemDetails

PATH = "/mcp"
PARSE_ERROR, INVALID_REQUEST = -32700, -32600  # JSON-RPC 2.0, section 5.1


def refused(error: Exception, request_id: str | None) -> Response:
    """One of the package's errors, with its problem details as `data`."""
    details = describe(error, request_id)
    code = PARSE_ERROR if isinstance(error, MalformedBody) else INVALID_REQUEST
    return told(details, code, headers=retry_after(error))


def told(details: ProblemDetails, code: int = INVALID_REQUEST, *, headers: Mapping[str, str] | None = None) -> Response:
    return rejection(details.status, code, details.detail, data=details.model_dump(exclude_none=True), headers=headers)


def rejection(
    status: int,
    code: int,
    message: str,
    *,
    data: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Before its id is known: a JSON-RPC error with none (MCP, "Transports", "Sending Messages to the Server")."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers=headers)
