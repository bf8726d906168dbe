"""What a dry run of each config costs: jobs, and the seconds until the plan stands."""

import time
from pathlib import Path

import pytest

from stub_slurm import PROGRAMS
from workflow_run import ROOT, clone, planned_jobs, snakemake

GRID = ROOT / "tests/configs/grid.yaml"
DEMO = ROOT / "config.yaml"
CONFIGS = [DEMO, *sorted((ROOT / "workflow/config").glob("*.yaml")), GRID]
#: a loaded machine takes several times what an idle one does; see the numbers that are printed
MOST_SECONDS = 60
#: of the demo, on average: the start of a job takes as long as most of its jobs
MOST_JOBS_OF_A_PAPER = 35
#: a laptop starts some ten of them a minute
MOST_JOBS_OF_A_REHEARSAL = 150
PAPERS = ("fungalzsl", "bioclip", "agriclip", "fair")


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


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with the photographs and class names that `unlabelled.yaml` looks for."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "photographs").mkdir()
    (folder / "classes.txt").write_text("heron\nswan\n")
    return str(folder)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda file: file.stem)
def test_the_profile_plans_a_config_without_slurm(repository, no_slurm, home, config, capsys):
    begin = time.monotonic()
    plan = planned_jobs(
        repository,
        "--profile",
        "slurm",
        config=config,
        root=repository,
        PATH=no_slurm,
        HOME=home,
    )
    seconds = time.monotonic() - begin
    jobs = sum(plan.values())
    with capsys.disabled():
        print(f"\n{config.name}: {jobs} jobs planned in {seconds:.1f} s")
    assert 0 < jobs < 5000
    assert seconds < MOST_SECONDS
    if config == GRID:
        assert plan["train_model"] == 12 * 13 * 3
        # one job for all seeds of a run, and one for what they start from, on each data set
        assert plan["encode"] == plan["judge"] == 12 * 13 + 13
    if config == DEMO:
        assert jobs <= MOST_JOBS_OF_A_PAPER * len(PAPERS)


@pytest.mark.parametrize("paper", PAPERS)
def test_the_rehearsal_of_a_paper_is_planned_apart(repository, no_slurm, paper, capsys):
    config = repository / f"workflow/config/{paper}.yaml"
    begin = time.monotonic()
    plan = planned_jobs(
        repository, "--config", "rehearsal=4", root=repository, config=config, PATH=no_slurm
    )
    with capsys.disabled():
        print(
            f"\nrehearsal of {paper}: {sum(plan.values())} jobs in {time.monotonic() - begin:.1f} s"
        )
    assert 0 < sum(plan.values()) <= MOST_JOBS_OF_A_REHEARSAL
    # captions are drawn; a server is asked by no job
    assert "ask_captions" not in plan
    rehearsed_in = repository / f"rehearsal/{paper}"
    assert (rehearsed_in / "slurm/partitions.yaml").samefile(repository / "slurm/partitions.yaml")


def test_a_step_of_a_slurm_job_rehearses_where_it_starts(repository, no_slurm):
    """It is started in the folder that the job's own Snakemake has gone to."""
    folder = repository / f"rehearsal/{PAPERS[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    config = repository / f"workflow/config/{PAPERS[0]}.yaml"
    arguments = ("acquire", "--config", "rehearsal=4")
    planned_jobs(folder, *arguments, root=repository, config=config, PATH=no_slurm)
    assert not (folder / "rehearsal").exists()


def test_a_rehearsal_stays_out_of_the_folder_of_real_results(repository):
    refused = snakemake(
        repository,
        *("--dry-run", "--cores", 1, "--directory", repository / "real", "--config", "rehearsal=4"),
        root=repository,
        config=repository / f"workflow/config/{PAPERS[0]}.yaml",
        check=False,
    )
    assert refused.returncode and "could replace real results there" in refused.stdout
