"""The environment, read once at start and passed down. Names are fixed by existing deployments: no prefix."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.schemas import MAX_REFINEMENT_STEPS


def shipped_models() -> Path:
    """The checkout's `models/`; the working directory's where the package is installed elsewhere."""
    beside_source = Path(__file__).parents[3] / "models"
    return beside_source if beside_source.is_dir() else Path("models")


def _empty_is_unset(value: Any) -> Any:
    return None if value == "" else value


Cycles = Annotated[int | None, BeforeValidator(_empty_is_unset)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104  a container must be reachable
    port: int = Field(8080, ge=1, le=65535, description="Knative sets it")
    model_path: Path = Field(
        default_factory=shipped_models, description="a directory of bundles, a bundle, or a published checkpoint"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    max_steps: Annotated[int | None, BeforeValidator(_empty_is_unset)] = Field(
        None,
        ge=1,
        le=MAX_REFINEMENT_STEPS,
        description="refinement steps where a request names none; unset: the model's own",
    )
    H_cycles: Cycles = Field(None, ge=1, le=64, description="H_cycles of a published checkpoint; unset: its own")
    L_cycles: Cycles = Field(None, ge=1, le=64, description="L_cycles of a published checkpoint; unset: its own")
    quantize: Literal["none", "int8"] = Field("none", description="int8: a published checkpoint's weights, on CPU")
    request_timeout_seconds: PositiveFloat = Field(
        30.0, allow_inf_nan=False, description="the longest that a request may take"
    )
    slots: int = Field(64, ge=1, le=4096, description="trajectories of one model that are refined at the same time")
    workers: Annotated[int | None, BeforeValidator(_empty_is_unset)] = Field(
        None, ge=1, le=256, description="threads that step models; unset: one for each core of a CPU, two for a GPU"
    )
    max_queue: PositiveInt = Field(256, description="requests that may wait; one more is a 503")
    max_body_bytes: PositiveInt = Field(1_048_576, description="the largest request body")
    rate_limit: str = Field(
        "600/minute", pattern=r"^(off|[1-9]\d{0,8}/(second|minute|hour))$", description="requests of one client, or off"
    )
    trusted_hops: int = Field(
        0, ge=0, le=16, description="proxies that append to X-Forwarded-For; 0: the peer is the client"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"


def read_settings() -> Settings:
    """Raises ConfigurationError, which names each variable, what it said, and what is allowed."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0])
            allowed = Settings.model_fields[name].description
            lines.append(
                f"{name.upper()}={problem['input']!r}: {problem['msg']}" + (f" ({allowed})" if allowed else "")
            )
        raise ConfigurationError("The environment cannot be used.\n" + "\n".join(lines)) from None


def misspelt(names: list[str] | None = None) -> dict[str, str]:
    """Variables one slip away from ours, and what was probably meant; pydantic-settings cannot see those."""
    ours = {name.upper() for name in Settings.model_fields if len(name) > 4}
    found = {}
    for name in sorted(os.environ if names is None else names):
        close = difflib.get_close_matches(name, ours - {name}, n=1, cutoff=0.9) if name not in ours else []
        if close and re.fullmatch(r"[A-Z_]+", name):
            found[name] = close[0]
    return found
