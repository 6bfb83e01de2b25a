"""`python -m tools.release VARIANT NAME@sha256:…`: write down which image the overlays deploy."""

import argparse
import re
from pathlib import Path

from tools.manifests.build import OVERLAYS_AT
from tools.manifests.pods import PINNED, UNPUBLISHED

VARIANTS = ("cpu", "cuda")


def record(variant: str, reference: str, overlays: Path = OVERLAYS_AT) -> Path:
    """Raises ValueError where the reference names no digest: what a tag means changes."""
    if not PINNED.fullmatch(reference) or UNPUBLISHED in reference:
        raise ValueError(f"{reference!r} is not an image by its digest: NAME@sha256:…")
    name, digest = reference.split("@")
    path = overlays / "images" / variant / "kustomization.yaml"
    text = re.sub(r"newName: .*", f"newName: {name}", path.read_text())
    path.write_text(re.sub(r"digest: .*", f"digest: {digest}", text))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("reference")
    options = parser.parse_args()
    try:
        print(f"wrote {record(options.variant, options.reference)}")
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
