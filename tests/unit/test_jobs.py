"""A job: its log, its errors, its lock, and what its environment must have."""

import ast
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

from nicheclip.runtime import code_digest
from nicheclip.runtime.locks import LockedError, lock
from workflow_rules import workflow_rules

ROOT = Path(__file__).parents[2]


def run_job(tmp_path, body):
    imports = (
        "from nicheclip.runtime.errors import InputError\nfrom nicheclip.runtime.job import job"
    )
    source = f"{imports}\n{textwrap.dedent(body)}"
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_shows_a_users_error_without_a_traceback(tmp_path):
    done = run_job(tmp_path, "with job('logs/x.log'):\n    raise InputError('row 3: no label')")
    assert done.returncode == 1
    assert done.stderr == "\nerror: row 3: no label\n" == (tmp_path / "logs/x.log").read_text()


def test_a_job_whose_log_meets_a_full_disk_says_so_on_the_terminal(tmp_path):
    done = run_job(
        tmp_path,
        """
        import resource
        from nicheclip.runtime.files import write_text
        with job('x.log'):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            write_text('a.txt', 'text')
        """,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("\nerror: a.txt: cannot be written, the disk is full (")
    assert done.stderr.count("\n") == 2


def test_a_job_shows_our_own_errors_with_the_place(tmp_path):
    done = run_job(tmp_path, "with job('x.log'):\n    1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in (tmp_path / "x.log").read_text()


def test_a_job_waits_for_a_process_that_still_does_it(tmp_path):
    held = lock(tmp_path / ".x.log.lock", wait=False)
    with pytest.raises(LockedError):
        lock(tmp_path / ".x.log.lock", wait=False)
    second = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from nicheclip.runtime.job import job\nwith job('x.log'): print('done')",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "waiting" in second.stderr.readline()
    os.close(held)
    assert second.communicate(timeout=60)[0] == "done\n"


def test_the_processes_of_one_job_share_its_log(tmp_path):
    body = (
        "import os, subprocess, sys\n"
        "with job('x.log'):\n"
        "    inner = \"with job('x.log', alone=False): raise SystemExit(7)\"\n"
        "    code = f'from nicheclip.runtime.job import job\\n{inner}'\n"
        "    print(subprocess.run([sys.executable, '-c', code]).returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"from nicheclip.runtime.job import job\n{body}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "7\n"


def packages(script):
    """Distributions that the modules behind a script import, as far as we require them."""
    names = {
        "PIL": "pillow",
        "open_clip": "open_clip_torch",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
        "lightning_fabric": "lightning-fabric",
    }
    found = set()
    for module in {script, *everything_behind(script)}:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    found -= {"snakemake"}  # scripts import it for type checkers alone
    return {names.get(name, name) for name in found} & set(required_packages())


def required_packages():
    """Name and range of every dependency of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = ("workflow", "openai", "gates")
    optional = [text for extra in extras for text in project["optional-dependencies"][extra]]
    return {re.split("[<>=]", text)[0]: text for text in [*project["dependencies"], *optional]}


def everything_behind(script):
    """The modules that a script may import, those that it finds by name included."""
    found, open_ends = set(), [script]
    while open_ends:
        module = open_ends.pop()
        if module in found:
            continue
        found.add(module)
        open_ends.extend(code_digest._imports(module))
        text = module.read_text()
        packages = (
            re.findall(r'"nicheclip\.([\w.]+?)\.?[{"]', text) if "import_module(" in text else []
        )
        for package in packages:
            open_ends.extend((ROOT / "src/nicheclip" / package.replace(".", "/")).glob("*.py"))
    return found - {script}


def test_what_is_found_by_name_is_behind_a_script():
    names = {path.name for path in everything_behind(ROOT / "scripts/ask_captions.py")}
    assert {"ollama.py", "openai.py", "job.py"} <= names
    names = {path.name for path in everything_behind(ROOT / "scripts/judge_captions.py")}
    assert {"template.py", "replay.py", "job.py"} <= names
    names = {path.name for path in everything_behind(ROOT / "scripts/judge.py")}
    assert {"zero_shot.py", "few_shot.py"} <= names and "loop.py" not in names


@pytest.mark.parametrize("rule", workflow_rules())
def test_a_rules_environment_has_what_its_script_imports(rule):
    script, environment = (workflow_rules()[rule][key] for key in ("script", "environment"))
    listed = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    ranges = {text for item in listed if isinstance(item, dict) for text in item["pip"]}
    required = required_packages()
    assert ranges <= set(required.values()), "ranges as in pyproject.toml"
    needed = packages(ROOT / "scripts" / script)
    assert {required[name] for name in needed} - ranges == set()
