"""What a dry run of each config costs: jobs, and the seconds until the plan stands."""

import time
from pathlib import Path

import pytest

from stub_slurm import PROGRAMS
from workflow_run import ROOT, clone, planned_jobs

CONFIGS = [ROOT / "config.yaml", *sorted((ROOT / "workflow/config").glob("*.yaml"))]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("plans") / "clone")


@pytest.fixture(scope="module")
def no_slurm(tmp_path_factory):
    """A PATH with all that this machine has, but for SLURM's programs."""
    folder = tmp_path_factory.mktemp("programs")
    for program in Path("/usr/bin").iterdir():
        if program.name not in PROGRAMS:
            (folder / program.name).symlink_to(program)
    return str(folder)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda file: file.stem)
def test_the_profile_plans_a_config_without_slurm(repository, no_slurm, config, capsys):
    begin = time.monotonic()
    plan = planned_jobs(
        repository, "--profile", "slurm", config=config, root=repository, PATH=no_slurm
    )
    seconds = time.monotonic() - begin
    jobs = sum(plan.values())
    with capsys.disabled():
        print(f"\n{config.name}: {jobs} jobs planned in {seconds:.1f} s")
    assert 0 < jobs < 5000
    assert "all" in plan
