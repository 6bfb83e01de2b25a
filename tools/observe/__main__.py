"""`python -m tools.observe [--check]`: write the dashboard and the rules into the Kustomize base, or say what is out of date."""

import argparse
import json
import sys

import yaml

from tools.manifests.build import OVERLAYS_AT
from tools.observe import dashboard, rules

HEAD = "# Written by `make dashboards` out of tools/observe.\n"


def files() -> dict[str, str]:
    """File of the base to its content."""
    return {
        "dashboard.json": json.dumps(dashboard.model(), indent=1) + "\n",
        "rules.yaml": HEAD + yaml.safe_dump(rules.manifest(), sort_keys=False, width=1000),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.observe", description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for name, text in files().items():
        path = OVERLAYS_AT / "base" / name
        if path.read_text() == text:
            continue
        stale += 1
        if options.check:
            print(f"{name} is not what tools/observe writes: make dashboards")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
