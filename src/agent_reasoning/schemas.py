"""The wire models: what callers send and what they get. Every part, and the client, may import them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TaskType = Literal["planning", "troubleshooting", "optimization", "logic", "general"]
Source = Literal["model", "improved", "baseline", "function"]
HaltedBy = Literal["verified", "confident", "no_improvement", "same_answer", "max_steps", "deadline", "function"]

# The types of the CloudEvents that come in and go out.
EVENT_REQUESTED = "io.homelab.reasoning.requested"
EVENT_COMPLETED = "io.homelab.reasoning.completed"
EVENT_FAILED = "io.homelab.reasoning.failed"

MAX_QUESTION = 4096
MAX_REFINEMENT_STEPS = 64
MAX_SAMPLES = 64


class ReasonRequest(BaseModel):
    """A problem to solve."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {
                "question": "In which order can I roll these services out?",
                "context": {"steps": {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}},
                "task_type": "planning",
            }
        },
    )

    question: str = Field(min_length=1, max_length=MAX_QUESTION, description="what is wanted, in words")
    context: dict[str, Any] = Field(default_factory=dict, description="the problem as data, in the task's schema")
    task_type: TaskType = Field("general", description="`general`: find the task from the shape of the context")
    task: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="a task by name")
    max_steps: int | None = Field(
        None,
        ge=1,
        le=MAX_REFINEMENT_STEPS,
        description="refinement steps for each trajectory; unset: the model's own budget",
    )
    samples: int | None = Field(
        None,
        ge=1,
        le=MAX_SAMPLES,
        description="trajectories; the best by verifier wins; unset: the model's own number",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="same request, same seed, same answer")
    require_verified: bool = Field(False, description="true: an unverified result is an error")
    source_policy: Literal["best", "model"] = Field("best", description="`model` switches the baseline off")
    timeout_seconds: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="a deadline below the service's own"
    )
    conversation_id: Annotated[str, Field(max_length=256)] | None = Field(None, description="echoed")


class Narrowing(BaseModel):
    """What a step of a search by deduction came to."""

    event: Literal["narrowed", "guessed", "dead_end"] = Field(
        description="`guessed`: nothing could be removed, so a cell was set; `dead_end`: no answer is left in this branch"
    )
    removed: int = Field(description="candidates that the model removed")
    undecided: int = Field(description="cells with more than one candidate left")
    depth: int = Field(description="guesses between the root and this branch, before this step")
    tree: int = Field(description="0 is the first search from the root; later ones have noise")


class TraceStep(BaseModel):
    """One refinement step of the trajectory that gave the answer."""

    step: int
    confidence: float = Field(
        ge=0, le=1, description="probability that this answer verifies, said before the verifier looked"
    )
    intermediate_answer: str
    changed: int = Field(description="cells whose answer differs from the step before")
    verified: bool
    narrowing: Narrowing | None = Field(
        None, description="of models that deduce", exclude_if=lambda value: value is None
    )


class StreamedStep(TraceStep):
    """One refinement step as it is judged: the data of an SSE event named `step`."""

    sample: int = Field(description="which trajectory; 0 is the one without noise")
    solution: dict[str, Any] = Field(description="the intermediate answer, for programs")


class ReasonResponse(BaseModel):
    """The best answer found, and whether it is verified."""

    answer: str = Field(description="for people")
    solution: dict[str, Any] = Field(description="for programs")
    steps: int = Field(description="refinement steps of the trajectory that gave the answer")
    confidence: float = Field(
        ge=0,
        le=1,
        description="0 when nothing verified; else the probability that this is the best answer (1 if validity is all)",
    )
    reasoning_trace: list[TraceStep]
    duration_ms: float
    verified: bool = Field(description="an exact verifier checked this answer and found nothing wrong")
    violations: list[str] = Field(description="what the verifier found wrong; empty if and only if verified")
    objective: float | None = None
    bound: float | None = None
    optimal: bool | None = Field(None, description="proven by the bound; null for tasks without an objective")
    task_type: str
    task: str
    source: Source
    model: str
    halted_by: HaltedBy = Field(
        description="`verified`: an answer that nothing can beat; `confident`, `no_improvement`: a valid answer that is"
        " believed the best, or was not improved upon; `same_answer`: the model insisted on an answer that was refused;"
        " `function`: a function answered, and nothing was refined"
    )
    seed: int
    request_id: str
    conversation_id: str | None = None


MAX_FUNCTION_SOURCE = 16_384
FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$", description="a Python name, of ASCII")]
FunctionCode = Annotated[
    str, Field(min_length=1, max_length=MAX_FUNCTION_SOURCE, description="Python that defines a function of that name")
]
FunctionDescription = Annotated[str, Field(min_length=1, max_length=1024, description="what it does, for who calls it")]


class FunctionBody(BaseModel):
    """What a function's name stands for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: FunctionCode
    description: FunctionDescription


class FunctionSource(FunctionBody):
    """A function to register. The code runs in a sandboxed interpreter and nowhere else."""

    name: FunctionName


class FunctionArguments(BaseModel):
    """The arguments of one call, by name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    arguments: dict[str, Any] = Field(default_factory=dict)


class FunctionSummary(BaseModel):
    name: str
    description: str
    parameters: dict[str, Any] = Field(description="JSON Schema of the arguments")
    builtin: bool


class FunctionList(BaseModel):
    functions: list[FunctionSummary]


class FunctionRegistered(BaseModel):
    message: str
    function: FunctionSummary


class FunctionResult(BaseModel):
    result: Any = Field(description="what the function returned")
    output: str = Field(description="what it printed")


class ProblemDetails(BaseModel):
    """An error (RFC 9457). `type` is stable; further members depend on it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:agent-reasoning:problem:` and the error's code")
    title: str
    status: int
    detail: str
    request_id: str | None = None


class TaskSummary(BaseModel):
    name: str
    task_type: str
    summary: str
    example: dict[str, Any]


class TaskLink(BaseModel):
    name: str
    task_type: str
    summary: str
    url: str = Field(description="where its schema and an example are, relative to this server")


class ServerInfo(BaseModel):
    """What `GET /` says to programs."""

    name: str
    version: str
    summary: str
    tasks: list[TaskLink]
    links: dict[str, str] = Field(description="paths of this server, by what is there")


class TaskDetail(TaskSummary):
    context_schema: dict[str, Any] = Field(description="JSON Schema of the task's own form of context")
    model: str | None = Field(description="the model that serves it; null if none is loaded")


class ModelSummary(BaseModel):
    name: str
    task: str
    architecture: str
    parameters: int
    max_steps: int = Field(description="refinement steps that each trajectory of a request gets which does not say")
    samples: int = Field(description="trajectories that a request gets which does not say; most need only the first")
    applications_per_step: int
    device: str
    calibrated: bool = Field(description="false: its confidence is the halting head's own, which nobody has checked")
    sha256: str


class Health(BaseModel):
    status: str
    detail: str | None = None
