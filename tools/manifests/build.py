"""Kustomize, the real one: its own binary, or the one inside kubectl."""

import shutil
import subprocess
from pathlib import Path

import yaml

from tools.manifests.objects import Object

ROOT = Path(__file__).parents[2]
OVERLAYS_AT = ROOT / "k8s" / "kustomize"


class BuildFailed(Exception):
    """Kustomize did not build; the message is its own."""


def command() -> list[str]:
    """Raises BuildFailed where neither is installed."""
    for name, arguments in (("kustomize", ["build"]), ("kubectl", ["kustomize"])):
        if (path := shutil.which(name)) is not None:
            return [path, *arguments]
    raise BuildFailed("Neither kustomize nor kubectl is installed; one of them must build the overlays (v5 or later).")


def build(directory: Path) -> list[Object]:
    """The objects of an overlay. Raises BuildFailed."""
    done = subprocess.run([*command(), str(directory)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{directory.name}: {done.stderr.strip()}")
    return [each for each in yaml.safe_load_all(done.stdout) if each is not None]
