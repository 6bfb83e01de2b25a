"""`python -m tools.manifests [--write DIRECTORY]`: build every overlay, check it, and with --write keep what was built."""

import argparse
import sys
from pathlib import Path

import yaml

from tools.contract import OVERLAYS
from tools.manifests.build import OVERLAYS_AT, BuildFailed, build
from tools.manifests.check import check
from tools.manifests.pods import flags, unpublished
from tools.manifests.schemas import SCHEMAS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.manifests", description=__doc__)
    parser.add_argument("--write", type=Path, help="a directory for the YAML of each overlay")
    parser.add_argument("--published", action="store_true", help="refuse images that nobody has pushed yet")
    parser.add_argument("overlays", nargs="*", default=OVERLAYS, help=f"default: {' '.join(OVERLAYS)}")
    options = parser.parse_args()
    failed = False
    if not SCHEMAS.is_dir():
        print(
            f"The schemas of Knative's and Prometheus' objects are not in {SCHEMAS}: those are not checked against any."
        )
    for overlay in options.overlays:
        try:
            objects = build(OVERLAYS_AT / overlay)
        except BuildFailed as error:
            failed = True
            print(f"{overlay}: does not build\n  {error}")
            continue
        found = check(objects)
        missing = unpublished(objects)
        if missing and options.published:
            found.append(
                f"no image has been pushed yet ({', '.join(missing)}): make push, which writes its digest down"
            )
        failed = failed or bool(found)
        needed = ", ".join(sorted(flags(objects))) or "none" if SCHEMAS.is_dir() else "not known"
        print(f"{overlay}: {len(objects)} objects, {len(found)} findings; feature flags needed: {needed}")
        for finding in found:
            print(f"  {finding}")
        if options.write:
            path = options.write / f"{overlay}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
