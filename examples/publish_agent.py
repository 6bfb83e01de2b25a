"""An agent that publishes a request to a Knative broker and awaits the answer.

    python examples/publish_agent.py [--port 8080]

KNATIVE_BROKER_URL (or K_SINK, from a SinkBinding) says where the broker is. The answer comes by a Trigger that delivers
`io.homelab.reasoning.completed` and `.failed` to this port; see docs/client.md. Exit status: 0 verified, 2 failed,
3 not verified.
"""

import argparse
import asyncio
import sys

from agent_reasoning.client import AsyncReasoningClient, CallFailed, ServiceError

OUTAGE = {
    "services": {"web": ["api"], "api": ["database", "cache"], "worker": ["database"], "database": [], "cache": []},
    "alerts": ["web", "api", "worker"],
    "healthy": ["cache"],
}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="where the Trigger delivers")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for the answer")
    arguments = parser.parse_args()

    async with (
        AsyncReasoningClient(source="/agents/sre", timeout=arguments.timeout) as client,
        client.receiver(arguments.port, arguments.host),
    ):
        try:
            answer = await client.publish_and_wait(
                "What broke?", OUTAGE, task_type="troubleshooting", conversation_id="incident-42"
            )
        except (ServiceError, CallFailed) as error:
            print(f"no answer ({error.code}): {error}", file=sys.stderr)
            return 2

    print(f"at fault: {', '.join(answer.solution['root_causes'])} (verified: {answer.verified})")
    return 0 if answer.verified else 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
