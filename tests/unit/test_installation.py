"""What `make` checks: any program in the environment can import open_clip."""

import os
import subprocess
import sysconfig
import venv

import pytest

from workflow_run import ROOT

MADE_FOR_ANOTHER = 'raise RuntimeError("operator torchvision::nms does not exist")'


@pytest.fixture
def environment(tmp_path):
    """An environment of its own with the packages of this one, but without their hooks."""
    venv.create(tmp_path / "venv", symlinks=True)
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (packages / "here.pth").write_text(sysconfig.get_path("purelib"))
    return packages


def python(packages, *arguments):
    return subprocess.run(
        [packages.parents[2] / "bin/python", *arguments],
        cwd=packages.parents[2],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        | {"PYTHONPATH": ROOT / "src"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_after_the_check_the_lines_of_the_readme_work(environment):
    checked = python(environment, "-m", "nicheclip.runtime.installation")
    assert checked.returncode == 0, checked.stderr
    lines = "import open_clip, torchvision.transforms; print(len(open_clip.list_models()))"
    # where a hook was needed, our own modules go on to work beside it
    imported = python(environment, "-c", f"{lines}; import nicheclip.models.openclip")
    assert imported.returncode == 0 and int(imported.stdout) > 50, imported.stderr
    assert ("not from one place" in checked.stderr) == bool(list(environment.glob("niche*.pth")))


def test_another_fault_is_an_error_that_says_what_to_install(environment):
    (environment / "open_clip.py").write_text("import nothing_like_it")
    checked = python(environment, "-m", "nicheclip.runtime.installation")
    assert checked.returncode == 1
    assert "No module named 'nothing_like_it'" in checked.stderr
    assert "torch and torchvision from one place" in checked.stderr


def test_a_pair_that_the_hook_does_not_mend_is_an_error(environment):
    (environment / "open_clip.py").write_text(MADE_FOR_ANOTHER)
    checked = python(environment, "-m", "nicheclip.runtime.installation")
    assert checked.returncode == 1 and "TORCH_INDEX=" in checked.stderr


def test_make_installs_both_from_one_place_and_checks_them():
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo", "TORCH_INDEX=https://index", "VENV=env"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    steps = [line for line in done.stdout.splitlines() if "env/bin/python -m" in line]
    assert "--index-url https://index torch torchvision" in steps[0]
    assert "--editable" in steps[1] and steps[2].endswith("nicheclip.runtime.installation")
