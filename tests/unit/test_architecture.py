"""The rooms import what docs/architecture.md says, and the page names nothing that is not so."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "src/nicheclip"


def documented():
    """The rooms that each room may import, from the page's table."""
    text = (ROOT / "docs/architecture.md").read_text().split("## Rooms")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", text, re.M)
    return {
        room: set() if allowed == "nothing" else set(allowed.split(", ")) for room, allowed in rows
    }


@cache
def imported():
    """The rooms that each room imports, from the code."""
    found = {}
    for file in LIBRARY.rglob("*.py"):
        room = file.relative_to(LIBRARY).parts[0].removesuffix(".py")
        others = found.setdefault(room, set())
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = [name.split(".") for name in names]
            others |= {p[1] for p in parts if p[0] == "nicheclip" and len(p) > 1 and p[1] != room}
    found.pop("__init__")
    return found


def test_every_room_is_on_the_page():
    assert set(documented()) == set(imported())


@pytest.mark.parametrize("room", sorted(documented()))
def test_a_room_imports_just_what_the_page_says(room):
    assert imported()[room] == documented()[room]


def test_no_two_rooms_import_each_other():
    rooms = imported()
    order = []
    while rooms:
        free = sorted(room for room, others in rooms.items() if not others & rooms.keys())
        assert free, f"a circle among {sorted(rooms)}"
        order += free
        rooms = {room: others for room, others in rooms.items() if room not in free}
    assert order.index("evaluation") < order.index("reporting")


@pytest.mark.parametrize("package", ["snakemake", "snakemake_executor_plugin_slurm"])
def test_nothing_in_the_library_imports_snakemake(package):
    for file in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not any(name.split(".")[0] == package for name in names), file


def test_what_the_snakefile_imports_is_light():
    """It is parsed again in every cluster job."""
    rules = "\n".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    imports = re.findall(r"^from (nicheclip[\w.]*) import", rules, re.M)
    assert "nicheclip.plan.plan" in imports
    code = "\n".join([*(f"import {name}" for name in imports), "import sys; print(*sys.modules)"])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"torch", "torchvision", "open_clip", "matplotlib", "sklearn", "scipy", "polars"}
    assert not (heavy | {"numpy", "pyarrow"}) & set(done.stdout.split())
