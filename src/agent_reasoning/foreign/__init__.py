"""What other tools print: where things are in it, and which of its fields are read. A leaf that the tasks read with, and that
the client reduces with before anything is sent; it needs pydantic and nothing else."""

from agent_reasoning.foreign.reduction import reduced

__all__ = ["reduced"]
