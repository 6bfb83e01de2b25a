"""`kubectl logs … --tail=-1 | python -m tools.resend URL [--id ID …]`: deliver dead letters again.

Reads the log of the dead-letter sink and posts each event in it to URL, a broker's ingress, as it was: with its id and source, so
that consumers drop what they have seen, and with all other attributes; without those that the failed delivery added.
"""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

OF_KNATIVE = (
    "knative"  # knativeerrorcode and the like, knativearrivaltime, knativebrokerttl: the broker sets its own anew
)
PATIENCE_SECONDS = 30.0
STRUCTURED = "application/cloudevents+json"

Letter = dict[str, Any]


def letters(lines: Iterable[str]) -> Iterator[Letter]:
    """The events among the lines of a log; what is no line of ours is passed over."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("event") == "dead_letter":
            yield found


def request(letter: Letter, url: str) -> urllib.request.Request:
    """Raises ValueError where the log does not hold the event as it was."""
    if not letter["whole"] or "\N{REPLACEMENT CHARACTER}" in letter["data"]:
        raise ValueError("the log does not hold all of its data (it was longer than MAX_BODY_BYTES, or no text)")
    attributes = {name: value for name, value in letter["attributes"].items() if not name.startswith(OF_KNATIVE)}
    content_type = attributes.pop("datacontenttype", "")
    if not content_type.startswith(STRUCTURED) and not {"id", "source", "type", "specversion"} <= attributes.keys():
        raise ValueError("it is no event: an attribute that each must have is missing")
    # CloudEvents HTTP binding 1.0.2, 3.1.3.2: printable ASCII but for the quote and the percent sign, the rest encoded.
    safe = "".join(map(chr, range(0x20, 0x7F))).replace('"', "").replace("%", "")
    headers = {f"ce-{name}": urllib.parse.quote(value, safe) for name, value in attributes.items()}
    if content_type:
        headers["content-type"] = content_type
    return urllib.request.Request(url, letter["data"].encode(), headers, method="POST")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="of the broker: http://…/ai-agents/agent-reasoning")
    parser.add_argument(
        "--id", action="append", dest="ids", help="only the events with this id; may be given several times"
    )
    options = parser.parse_args()
    failed = 0
    for letter in letters(sys.stdin):
        name = letter["attributes"].get("id", "(no id)")
        if options.ids and name not in options.ids:
            continue
        try:
            with urllib.request.urlopen(request(letter, options.url), timeout=PATIENCE_SECONDS) as answer:
                print(f"{name}: {answer.status}")
        except (ValueError, OSError) as error:  # HTTPError and URLError are OSErrors
            failed += 1
            print(f"{name}: not sent: {error}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
