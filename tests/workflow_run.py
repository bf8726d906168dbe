"""Run the workflow as a user does: the snakemake command in a working folder of its own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import snakemake_server
from nicheclip.runtime.files import sha256_file

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests/configs/tiny.yaml"
PARTS = ("Snakefile", "config.yaml", "workflow", "scripts", "src", "envs", "profiles")


def command(*arguments, config=TINY, root=ROOT):
    """The command line; options that take several values must not stand last."""
    return [
        str(Path(sys.executable).with_name("snakemake")),
        "--snakefile",
        str(root / "Snakefile"),
        "--configfile",
        str(config),
        *map(str, arguments),
    ]


def environment(**changes):
    """The user's environment without what an outer run of Snakemake or pytest has put there."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "PYTHONPATH"))}
    return kept | changes


def snakemake(folder, *arguments, config=TINY, root=ROOT, check=True, **changes):
    """Run to the end; the finished process with its combined output as text."""
    words = command(*arguments, config=config, root=root)
    with tempfile.NamedTemporaryFile("r") as output:
        call = {"folder": folder, "environment": environment(**changes), "output": output.name}
        status = snakemake_server.run(words[1:], **call)
        done = subprocess.CompletedProcess(words, status, output.read())
    assert done.returncode == 0 or not check, done.stdout[-8000:]
    return done


def planned_jobs(folder, *arguments, **options):
    """The rules that a dry run would execute, with the number of jobs of each."""
    output = snakemake(folder, "--dry-run", "--cores", 1, *arguments, **options).stdout
    jobs = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", output, re.M)}
    jobs.pop("total", None)
    return jobs


def digests(folder):
    """Of the models, histories, tables and figures that a run in ``folder`` has made."""
    patterns = (
        "models/trained/**/*.safetensors",
        "models/trained/**/history.csv",
        "tables/**/*",
        "figures/**/*.svg",
    )
    files = [file for pattern in patterns for file in folder.glob(f"results/{pattern}")]
    return {str(f.relative_to(folder)): sha256_file(f) for f in files if f.is_file()}


def clone(folder):
    """A copy of the project, as a fresh clone would be, in ``folder``; compiled where ours is."""
    folder.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            # what another test's Python is writing just now has a temporary name
            ignored = shutil.ignore_patterns("*.egg-info", ".*.tmp.json", "*.pyc.*")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        else:
            shutil.copy2(ROOT / part, folder / part)
    (folder / "slurm").symlink_to("profiles/slurm")
    return folder
