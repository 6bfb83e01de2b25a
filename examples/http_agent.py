"""An agent that rolls services out in the order that the reasoning service finds, and only in a verified one.

    python examples/http_agent.py [FILE] [--max-steps N]

FILE is a context (JSON): {"steps": {name: [needs]}}, a Compose document, Flux objects. REASONING_SERVICE_URL says where
the service is. Exit status: 0 rolled out, 2 the problem or the service is at fault, 3 no verified order was found.
"""

import argparse
import json
import sys
from pathlib import Path

from agent_reasoning.client import CallFailed, ReasoningClient, ServiceError

CONTEXT = {"steps": {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="the context; a small one of its own if not given")
    parser.add_argument("--max-steps", type=int, help="refinement steps that the model may take")
    arguments = parser.parse_args()
    context = json.loads(arguments.file.read_text()) if arguments.file else CONTEXT

    with ReasoningClient() as client:
        try:
            answer = client.reason(
                "In which order can these be rolled out?",
                context,
                task_type="planning",
                max_steps=arguments.max_steps,
            )
        except ServiceError as error:  # it answered: what to mend is in the error
            print(f"refused ({error.code}): {error}", file=sys.stderr)
            return 2
        except CallFailed as error:  # it did not, after several tries
            print(f"no answer ({error.code}): {error}", file=sys.stderr)
            return 2

    if not answer.verified:
        # `confidence`, `source` or how good the text sounds change nothing: the verifier refused it.
        print(f"not acting on an unverified answer: {'; '.join(answer.violations[:3])}", file=sys.stderr)
        return 3
    for number, wave in enumerate(answer.solution["waves"], 1):
        print(f"wave {number}: rolling out {', '.join(wave)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
