"""The recursive networks: published sequence models (TRM, HRM) and structured ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_reasoning.networks.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["load_checkpoint", "save_checkpoint"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: a service of structured models needs neither the published ones nor YAML."""
    if name in __all__:
        from agent_reasoning.networks import checkpoint

        return getattr(checkpoint, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
