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
from agent_reasoning.service.keys import Keys, read_keys
from agent_reasoning.service.sink import Sink, read_sink


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
    max_queue: PositiveInt = Field(256, description="requests that may wait while SLOTS are at work; one more is a 503")
    max_body_bytes: PositiveInt = Field(1_048_576, description="the largest request body")
    rate_limit: str = Field(
        "600/minute", pattern=r"^(off|[1-9]\d{0,8}/(second|minute|hour))$", description="requests of one client, or off"
    )
    trusted_hops: int = Field(
        0, ge=0, le=16, description="proxies that append to X-Forwarded-For; 0: the peer is the client"
    )
    # Not in the log of settings: what is hashed may still be looked for.
    api_keys: str | None = Field(None, exclude=True, description="lines name:sha256, or separated by commas")
    api_keys_file: Path | None = Field(None, description="a file of such lines, as a Secret is mounted")
    events_need_key: bool = Field(False, description="true: deliveries of events need an API key, too")
    cors_origins: str = Field(
        "",
        pattern=r"^(\*|https?://[^\s,/]+(\s*,\s*https?://[^\s,/]+)*)?$",
        description="origins whose pages may ask, such as https://a.example,https://b.example, or *; empty: none",
    )
    functions_enabled: bool = Field(False, description="true: /v1/functions is there, for who has an API key")
    functions_without_keys: bool = Field(
        False, description="true: functions may be enabled though no API key is configured; for one's own machine"
    )
    function_timeout_seconds: float = Field(2.0, ge=0.1, le=30, description="of a function's own running time")
    function_memory_bytes: int = Field(33_554_432, ge=8_388_608, description="of one call, at least 8 MiB")
    function_workers: int = Field(2, ge=1, le=64, description="functions that run at the same time")
    emit_events: bool = Field(True, description="false: no result is ever sent as an event")
    events_mode: Literal["reply", "publish"] = Field(
        "reply", description="an event's result is the reply to its delivery, or is published to the sink"
    )
    # Not in the log of settings: addresses may hold credentials. The sink has a line of its own.
    knative_broker_url: str | None = Field(None, exclude=True, description="where results are published; before K_SINK")
    k_sink: str | None = Field(None, exclude=True, description="set by a SinkBinding")
    k_ce_overrides: str | None = Field(None, exclude=True, description="extensions of published events, as JSON")
    k_ca_certs: str | None = Field(None, exclude=True, description="PEM certificates that the sink is trusted by")
    dedup_seconds: PositiveFloat = Field(
        900.0, allow_inf_nan=False, description="how long a redelivered event gets the same result without another run"
    )
    dedup_max_bytes: int = Field(
        33_554_432, ge=1_048_576, description="of results kept for redeliveries, at least 1 MiB"
    )
    publish_queue: PositiveInt = Field(1000, description="results that may wait for the sink; one more is dropped")
    publish_retry_seconds: PositiveFloat = Field(
        300.0, allow_inf_nan=False, description="how long one result is tried before it is given up"
    )
    mcp_enabled: bool = Field(True, description="false: no /mcp, and its SDK is not loaded")
    mcp_allowed_hosts: str | None = Field(
        None, description="names that /mcp may be called by, with commas between, as *.example.com; *: any"
    )
    mcp_allowed_origins: str | None = Field(
        None, description="origins of web pages that may call /mcp, as https://chat.example.com, with commas between"
    )
    k_service: str | None = Field(None, description="set by Knative: the Service's name")
    shutdown_seconds: PositiveFloat | None = Field(
        None,
        allow_inf_nan=False,
        description="the longest that ending may take after SIGTERM; unset: REQUEST_TIMEOUT_SECONDS and 10 more",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @property
    def ending_seconds(self) -> float:
        return self.shutdown_seconds or self.request_timeout_seconds + 10

    def keys(self) -> Keys:
        """Raises ConfigurationError where they cannot be read, or are missing though functions or events need them."""
        keys = read_keys(self.api_keys, self.api_keys_file)
        if self.functions_enabled and not keys and not self.functions_without_keys:
            raise ConfigurationError(
                "FUNCTIONS_ENABLED needs an API key, since whoever reaches the service could register code: set"
                " API_KEYS_FILE (`agent-reasoning keys new NAME` makes a key), or FUNCTIONS_WITHOUT_KEYS=true on a machine"
                " that nobody else reaches."
            )
        if self.events_need_key and not keys:
            raise ConfigurationError("EVENTS_NEED_KEY=true needs API_KEYS or API_KEYS_FILE.")
        return keys

    @property
    def origins(self) -> tuple[str, ...]:
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    def sink(self) -> Sink | None:
        """Raises ConfigurationError where it cannot be used, or is missing though results are to be published there."""
        sink = read_sink(self.knative_broker_url, self.k_sink, self.k_ce_overrides, self.k_ca_certs)
        if self.emit_events and self.events_mode == "publish" and sink is None:
            raise ConfigurationError("EVENTS_MODE=publish needs a sink: set KNATIVE_BROKER_URL or K_SINK.")
        return sink


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
