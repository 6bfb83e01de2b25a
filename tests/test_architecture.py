"""Which part may import which: the direction is a rule, and this is where it is kept."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[1] / "src" / "agent_reasoning"
LEAVES = {"errors", "schemas", "problem", "validation", "foreign"}
MAY_IMPORT = {
    "networks": set(),
    "tasks": set(),
    "engine": {"networks"},
    "training": {"networks", "tasks", "engine"},
    "evaluation": {"networks", "tasks", "engine", "training"},
    "service": {"tasks", "engine"},
    "api": {"service"},
    "client": set(),
    "errors": set(),
    "schemas": set(),
    "problem": set(),
    "validation": set(),
    "foreign": set(),
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


def test_the_client_imports_the_leaves_alone_that_need_no_numpy():
    leaves = {imported for part, imported in inner_imports() if part == "client"}

    assert leaves == {"errors", "schemas", "validation", "foreign"}  # problem would bring numpy


def test_importing_the_client_loads_only_what_its_requirements_name():
    code = (
        "import sys; before = set(sys.modules); import agent_reasoning.client\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    modules = set(done.stdout.split()) - set(sys.stdlib_module_names)
    packages = {package for module in modules for package in metadata.packages_distributions().get(module, [])}
    assert {"torch", "numpy"}.isdisjoint(modules)
    # httpcore2 asks sniffio, where something else has brought it, which library runs the event loop.
    assert packages - {"agent-reasoning", "sniffio"} <= closure(pins("requirements-client.txt"))


def test_the_clients_pins_are_the_services():
    ours, whole = pins("requirements-client.txt"), pins("requirements.txt")

    assert ours
    assert ours == {name: whole[name] for name in ours}


def pins(file):
    lines = (SOURCE.parents[1] / file).read_text().splitlines()
    requirements = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    return {requirement.name: str(requirement.specifier) for requirement in requirements}


def closure(names):
    """The distributions that these need, with themselves, as their metadata spell them."""
    found, left = set(), list(names)
    while left:
        distribution = metadata.distribution(left.pop())
        if distribution.name not in found:
            found.add(distribution.name)
            needs = [Requirement(text) for text in distribution.requires or []]
            left += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


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


def test_help_loads_nothing_large():
    code = (
        "import sys; from agent_reasoning.cli import main\n"
        "for arguments in [['--help'], ['version'], *([name, '--help'] for name in main.commands)]:\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "large = {'torch', 'numpy', 'pydantic', 'fastapi', 'starlette', 'cloudevents', 'httpx2', 'mcp', 'yaml', 'rich'}\n"
        "large |= {'asyncio'}\n"
        "print(*(large & set(sys.modules)), 'loaded')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "loaded"
