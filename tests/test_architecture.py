"""Which part may import which: the direction is a rule, and this is where it is kept."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "agent_reasoning"
LEAVES = {"errors", "schemas", "problem", "validation"}
MAY_IMPORT = {
    "networks": set(),
    "tasks": set(),
    "engine": {"networks"},
    "training": {"networks", "tasks", "engine"},
    "evaluation": {"networks", "tasks", "engine", "training"},
    "service": {"tasks", "engine"},
    "api": {"service"},
    "errors": set(),
    "schemas": set(),
    "problem": set(),
    "validation": set(),
}
WIRING = {"__init__", "cli", "commands", "server"}
NO_TORCH = LEAVES | {"tasks"}


def imports():
    for path in sorted(SOURCE.rglob("*.py")):
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import hides what it imports"
                yield part, node.module or ""
                for name in node.names:
                    yield part, f"{node.module}.{name.name}"
            elif isinstance(node, ast.Import):
                for name in node.names:
                    yield part, name.name


def inner_imports():
    parts = {path.stem if path.suffix else path.name for path in SOURCE.iterdir()}
    found = {(part, name.split(".")[1]) for part, name in imports() if name.startswith("agent_reasoning.")}
    found = {(part, imported) for part, imported in found if imported in parts}
    return sorted((part, imported) for part, imported in found if part not in WIRING and part != imported)


@pytest.mark.parametrize(("part", "imported"), inner_imports())
def test_imports_point_inwards(part, imported):
    assert imported in MAY_IMPORT[part] | LEAVES


def test_leaves_and_tasks_do_not_import_torch():
    assert not {part for part, name in imports() if part in NO_TORCH and name.split(".")[0] == "torch"}


def calls():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


def test_nothing_evaluates_code_or_unpickles():
    banned = {"eval", "exec", "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load", "yaml.unsafe_load"}

    assert not {name for name, _ in calls() if name in banned}


def test_torch_files_load_as_weights_only():
    loads = [node for name, node in calls() if name == "torch.load"]

    assert loads
    assert all("weights_only=True" in ast.unparse(node) for node in loads)


@pytest.mark.parametrize("arguments", [["--help"], ["solve", "--help"], ["train", "--help"], ["version"]])
def test_help_loads_nothing_large(arguments):
    code = (
        "import sys; from agent_reasoning.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(*({'torch', 'fastapi', 'cloudevents', 'httpx2'} & set(sys.modules)), 'loaded')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "loaded"
