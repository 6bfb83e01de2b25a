"""The Dockerfile, as far as it can be judged without building it (`make image-local` builds it)."""

import re
import subprocess
import sys
from pathlib import Path

from dockerfile_parse import DockerfileParser

from tests.conftest import ROOT


def stages():
    """[(instruction, value)] of each stage."""
    with open(ROOT / "Dockerfile", "rb") as file:
        found = []
        for line in DockerfileParser(fileobj=file).structure:
            if line["instruction"] == "FROM":
                found.append([])
            if found and line["instruction"] != "COMMENT":
                found[-1].append((line["instruction"], line["value"]))
        return found


def pins(text):
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0


def test_the_last_stage_holds_nothing_of_the_build():
    *_, last = stages()

    assert {instruction for instruction, _ in last} <= {
        "FROM",
        "COPY",
        "WORKDIR",
        "ENV",
        "USER",
        "EXPOSE",
        "ENTRYPOINT",
        "CMD",
    }
    copied = [value for instruction, value in last if instruction == "COPY"]
    assert copied == ["--from=build /opt/venv /opt/venv", "models /app/models"]


def test_it_runs_as_a_user_without_a_name_and_without_rights():
    *_, last = stages()

    assert [value for instruction, value in last if instruction == "USER"] == ["65532:65532"]


def test_both_stages_stand_on_the_base_that_was_asked_for():
    for stage in stages():
        assert stage[0][1].startswith("${BASE_IMAGE}")


def test_all_but_torch_is_installed_by_hash():
    text = (ROOT / "Dockerfile").read_text()
    lock = (ROOT / "requirements.lock").read_text()

    assert "--require-hashes -r requirements.lock" in text
    assert lock.count("==") == len(re.findall(r"== ?\S+ \\\n +--hash=sha256:", lock))


def test_the_lock_is_what_the_constraints_say():
    lock = pins((ROOT / "requirements.lock").read_text())
    wanted = pins((ROOT / "constraints.txt").read_text() + (ROOT / "requirements-dev.txt").read_text())
    direct = pins((ROOT / "requirements.txt").read_text())

    assert {name: wanted.get(name) for name in lock} == lock
    assert direct.keys() - lock.keys() == {"torch"}
    assert {name: lock[name] for name in direct if name != "torch"} == {k: v for k, v in direct.items() if k != "torch"}


def test_what_the_build_copies_is_let_through_and_nothing_else():
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    build, last = stages()
    copied = {
        name
        for instruction, value in [*build, *last]
        if instruction == "COPY" and not value.startswith("--from")
        for name in value.split()[:-1]
    }

    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    assert copied == let_through
