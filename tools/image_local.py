"""`make image-local`: build the image for real without a container engine or a registry, start it as a cluster would, measure.

Needs root and Debian's buildah and debootstrap. The base is a Debian made on the spot, in the place of the published
Python image; everything above it is the Dockerfile's. It starts on a read-only root, as the image's user.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.manifests.build import ROOT

BASE, IMAGE = "localhost/python:local", "localhost/agent-reasoning:local"
START_SECONDS = 120
PROBLEM = {"question": "In which order?", "context": {"steps": {"a": [], "b": ["a"]}}}
# Without an engine: no daemon, no overlay filesystem, no runtime with namespaces of its own.
ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
CERTIFICATES = "/etc/ssl/certs"


def run(*command: str | Path) -> str:
    words = [str(word) for word in command]
    print("+", shlex.join(words), file=sys.stderr)
    return subprocess.run(words, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def make_base(cache: Path) -> None:
    """A Debian with Python, once; its mirror is the one that apt uses."""
    root = cache / "rootfs"
    if not (cache / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        mirror = run("apt-get", "indextargets", "--format", "$(SITE)").splitlines()[0]
        packages = "python3,python3-venv,ca-certificates"
        run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root, mirror)
        (cache / "complete").touch()
    container = run("buildah", "from", "scratch")
    run("buildah", "add", "-q", container, root, "/")
    run("buildah", "commit", "-q", container, BASE)
    run("buildah", "rm", container)


def build() -> None:
    links = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True, check=False
    ).stdout.strip()
    local = ["--volume", f"{links}:{links}:ro", "--build-arg", f"PIP_FIND_LINKS={links}"] if links else []
    run(
        *("buildah", "bud", "--layers=false", "--format", "docker", "--network", "host", "-t", IMAGE),
        *("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", "--volume", "/etc/resolv.conf:/etc/resolv.conf:ro"),
        *("--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", "TORCH_INDEX_URL=", *local, "-f", "Dockerfile", "."),
    )


@contextmanager
def mounted() -> Iterator[Path]:
    """The image's files, as a container of it would see them."""
    container = run("buildah", "from", IMAGE)
    try:
        yield Path(run("buildah", "mount", container))
    finally:
        run("buildah", "rm", container)


def sizes(root: Path) -> dict[str, float]:
    """MiB of the whole and of its largest parts."""
    packages = next((root / "opt/venv/lib").glob("python3*")) / "site-packages"
    parts = {"whole": root, "environment": root / "opt/venv", "models": root / "app/models"}
    largest = sorted(packages.iterdir(), key=lambda path: -mib(path))[:6] if packages.is_dir() else []
    return {name: mib(path) for name, path in (parts | {path.name: path for path in largest}).items()}


def mib(path: Path) -> float:
    return round(int(run("du", "-sk", path).split()[0]) / 1024, 1)


def start(root: Path, port: int) -> subprocess.Popen[bytes]:
    """On a root that nobody can write to, as the user of the image, with the environment of the image."""
    configuration = json.loads(run("buildah", "inspect", "--type", "image", IMAGE))["Docker"]["config"]
    environment = dict(entry.split("=", 1) for entry in configuration["Env"]) | {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
    }
    inside = f"""
        mount --bind {shlex.quote(str(root))} {shlex.quote(str(root))}
        mount --bind /dev {shlex.quote(str(root))}/dev
        mount -t proc proc {shlex.quote(str(root))}/proc
        mount -o remount,ro,bind {shlex.quote(str(root))}
        exec chroot --userspec={configuration["User"]} {shlex.quote(str(root))} /usr/bin/env -i \
          {" ".join(shlex.quote(f"{name}={value}") for name, value in environment.items())} \
          {shlex.join([*configuration["Entrypoint"], *configuration["Cmd"]])}
    """
    return subprocess.Popen(["unshare", "--mount", "sh", "-euc", inside])


def cold_start(root: Path, port: int) -> dict[str, float]:
    """Seconds until it is ready and until a first problem is answered, from the start of its process."""
    begun = time.perf_counter()
    process = start(root, port)
    try:
        ready = wait(f"http://127.0.0.1:{port}/ready", begun, process)
        body = json.dumps(PROBLEM).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/reason", body, timeout=30) as answer:
            verified = json.load(answer)["verified"]
        answered = time.perf_counter() - begun
        resident = Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
        assert verified, "the image answers, and not right"
        return {"ready": round(ready, 2), "first answer": round(answered, 2), "resident MiB": int(resident) // 1024}
    finally:
        process.terminate()
        process.wait(60)


def forget(root: Path) -> None:
    """Drops the image's files from memory: a node that has just pulled an image has it on disk."""
    os.sync()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def wait(url: str, begun: float, process: subprocess.Popen[bytes]) -> float:
    while time.perf_counter() - begun < START_SECONDS:
        if process.poll() is not None:
            raise SystemExit("the image does not start; its words are above")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return time.perf_counter() - begun
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise SystemExit(f"the image is not ready after {START_SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "image")
    parser.add_argument("--port", type=int, default=8089)
    options = parser.parse_args()
    os.chdir(ROOT)
    options.cache.mkdir(parents=True, exist_ok=True)
    make_base(options.cache)
    build()
    with mounted() as root:
        found: dict[str, object] = {"MiB": sizes(root)}
        forget(root)
        found["from disk"] = cold_start(root, options.port)
        found["from memory"] = [cold_start(root, options.port) for _ in range(3)]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
