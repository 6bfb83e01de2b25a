"""What is wrong with a message to /mcp, or with who sent it: MCP clients show an error of JSON-RPC and no other body. Without
the SDK, which is large: middleware that refuses a request before it gets to the endpoint uses this, too."""

from typing import Any

from starlette.responses import JSONResponse, Response

from agent_reasoning.api.problems import describe, retry_after
from agent_reasoning.errors import MalformedBody

PATH = "/mcp"
PARSE_ERROR, INVALID_REQUEST = -32700, -32600  # JSON-RPC 2.0, section 5.1


def refused(error: Exception, request_id: str | None) -> Response:
    """One of the package's errors, with its problem details as `data`."""
    details = describe(error, request_id)
    code = PARSE_ERROR if isinstance(error, MalformedBody) else INVALID_REQUEST
    data = details.model_dump(exclude_none=True)
    return rejection(details.status, code, details.detail, data=data, headers=retry_after(error))


def rejection(
    status: int, code: int, message: str, *, data: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Before its id is known: a JSON-RPC error with none (MCP, "Transports", "Sending Messages to the Server")."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers=headers)
