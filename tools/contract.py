"""What the deployment relies on and no code of the service can be asked for: names out of the design, in one place."""

EVENT_PREFIX = "io.homelab.reasoning."
REQUESTED = EVENT_PREFIX + "requested"
RESULTS = frozenset({EVENT_PREFIX + "completed", EVENT_PREFIX + "failed"})

SERVICE = "agent-reasoning"
DEAD_LETTERS = "agent-reasoning-dead-letters"
NAMESPACE = "ai-agents"
WITHOUT_PROMETHEUS = "without-prometheus"
CHOICES = ("studio", "studio-handover", "pro", "local")
OVERLAYS = (*CHOICES, *(f"{WITHOUT_PROMETHEUS}/{overlay}" for overlay in CHOICES))
