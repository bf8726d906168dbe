"""What the wheel installs: the library, the command, and the registry that both read."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what a wheel of this repository installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; print(build_wheel(__import__('sys').argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    with zipfile.ZipFile(folder / ran.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_the_registry_of_a_wheel_is_the_repositorys(installed):
    def files(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert files(installed / "nicheclip/registry") == files(REPOSITORY / "workflow/registry")


def test_the_command_of_a_wheel_reads_its_own_registry(installed, tmp_path):
    """The costs of the demo need the sizes of models that only the registry tells."""
    ran = subprocess.run(
        [sys.executable, "-m", "nicheclip", "cost", str(REPOSITORY / "config.yaml")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in ran.stdout.splitlines() if "arbor-mixed" in line]
    assert lines, ran.stdout
    assert not any("operations are known" in line for line in lines), ran.stdout
