"""/v1/functions: what can be called by name, and the registering of more. There only where functions are enabled."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from agent_reasoning.api.body import check_media_type, parse_json
from agent_reasoning.api.reasoning import admitted_body
from agent_reasoning.errors import InvalidRequest
from agent_reasoning.schemas import (
    FunctionArguments,
    FunctionBody,
    FunctionList,
    FunctionRegistered,
    FunctionResult,
    FunctionSource,
    FunctionSummary,
)
from agent_reasoning.service.functions import FunctionInfo, Functions
from agent_reasoning.validation import Model, validate

router = APIRouter(prefix="/v1/functions", tags=["functions"])

ERROR: dict[str, Any] = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
                "required": ["error"],
            }
        }
    }
}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {**ERROR, "description": "The body is not JSON, or breaks its schema."},
    401: {**ERROR, "description": "API keys are configured, and the request carries none of them."},
    404: {**ERROR, "description": "There is no such function."},
    408: {**ERROR, "description": "The body did not arrive in time."},
    409: {**ERROR, "description": "The name is taken, or is one that is built in."},
    413: {**ERROR, "description": "The body is larger than MAX_BODY_BYTES."},
    415: {**ERROR, "description": "The body is not declared as JSON."},
    422: {**ERROR, "description": "The code, or the call of it, breaks a rule; `line` says where."},
    429: {**ERROR, "description": "This client sends too much; see Retry-After."},
    503: {**ERROR, "description": "As many functions as may are running; see Retry-After."},
}


def described(model: type[Model]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


async def functions_of(request: Request) -> Functions:
    """Asynchronous, though it waits for nothing: the framework would send a plain function through a thread."""
    functions: Functions = request.app.state.functions
    return functions


Offered = Annotated[Functions, Depends(functions_of)]


async def body_of(request: Request, model: type[Model]) -> Model:
    body = await admitted_body(request)
    check_media_type(request)
    return validate(model, parse_json(body), InvalidRequest, "request")


def summary(info: FunctionInfo) -> FunctionSummary:
    return FunctionSummary(
        name=info.name, description=info.description, parameters=info.parameters, builtin=info.builtin
    )


@router.get("", responses=ERRORS)
async def listed(functions: Offered) -> FunctionList:
    """The functions, with the JSON Schema of their arguments."""
    return FunctionList(functions=[summary(info) for info in functions.list()])


@router.post("/register", responses=ERRORS, openapi_extra=described(FunctionSource))
async def register(request: Request, functions: Offered) -> FunctionRegistered:
    """Add a function. Its code runs in a sandboxed interpreter: here once, to see that it can, and at every call."""
    info = await functions.register(await body_of(request, FunctionSource))
    return FunctionRegistered(message=f"Function {info.name} registered successfully", function=summary(info))


@router.get("/{name}", responses=ERRORS)
async def one(name: str, functions: Offered) -> FunctionSummary:
    return summary(functions.get(name))


@router.put("/{name}", responses=ERRORS, openapi_extra=described(FunctionBody))
async def replace(name: str, request: Request, functions: Offered) -> FunctionRegistered:
    """Add a function, or put another in its place. Calls that run go on with the code that they began with."""
    body = await body_of(request, FunctionBody)
    source = validate(FunctionSource, {"name": name, **body.model_dump()}, InvalidRequest, "function")
    info = await functions.register(source, replace=True)
    return FunctionRegistered(message=f"Function {info.name} registered successfully", function=summary(info))


@router.delete("/{name}", status_code=204, response_class=Response, responses=ERRORS)
async def delete(name: str, functions: Offered) -> Response:
    functions.delete(name)
    return Response(status_code=204)


@router.post("/{name}/call", responses=ERRORS, openapi_extra=described(FunctionArguments))
async def call(name: str, request: Request, functions: Offered) -> FunctionResult:
    """Call a function with arguments by name."""
    body = await body_of(request, FunctionArguments)
    ran = await functions.run(name, body.arguments)
    return FunctionResult(result=ran.result, output=ran.output)
