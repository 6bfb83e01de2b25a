"""`agent-reasoning dead-letters`: the process around the dead-letter sink."""

import uvicorn

from agent_reasoning.api.dead_letters import create_app
from agent_reasoning.service.log import configure
from agent_reasoning.service.settings import read_settings


def serve() -> None:
    """Raises ConfigurationError where the environment cannot be used."""
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
    uvicorn.run(
        create_app(settings.max_body_bytes),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
