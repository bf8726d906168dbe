"""The whole chain at the smallest scale, as a user runs it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from headless_browser import PHONE, Browser, dead_links, needs_chromium
from nicheclip.runtime.files import sha256_file
from workflow_run import ROOT, TINY, clone, command, environment, planned_jobs, snakemake


@pytest.fixture
def own_copy(finished, tmp_path):
    """A moved copy of the finished clone, for a test to edit."""
    return shutil.copytree(finished, tmp_path / "moved", symlinks=True)


def digests(folder, *patterns):
    found = [f for pattern in patterns for f in folder.glob(f"results/{pattern}")]
    files = sorted(f for f in found if f.is_file())
    assert files, patterns
    return {f.relative_to(folder).as_posix(): sha256_file(f) for f in files}


def reproducible(folder):
    return digests(
        folder,
        "acquire/**/*.parquet",
        "taxonomy/**/*.parquet",
        "captions/**/*.parquet",
        "acquire/**/*.arrow",
        "acquire/**/*.tar",
        "texts/**/*.arrow",
        "taxonomy/**/*.arrow",
        "evaluate/**/*.parquet",
        "models/trained/**/*.safetensors",
        "models/trained/**/history.csv",
        "tables/**/*",
        "figures/**/*.svg",
    )


def test_the_chain_ends_in_the_papers_table_and_the_report(finished):
    table = (finished / "results/tables/fungalzsl_1.md").read_text()
    assert "demo scale, not comparable with the paper" in table
    assert "nicheclip-tiny" in table
    for suffix in ("csv", "tex"):
        assert (finished / f"results/tables/fungalzsl_1.{suffix}").is_file()
    assert "fungalzsl_1" in (finished / "results/report_details.html").read_text()
    page = (finished / "results/report.html").read_text()
    assert "Evaluation visual" in page and "taken for" in page and "report_details" in page


@needs_chromium
def test_the_report_on_a_telephone(finished, tmp_path):
    """Everything loads, nothing sticks out, and a number leads to its passport."""
    page = finished / "results/report.html"
    with Browser(tmp_path / "profile") as browser:
        look = browser.look_at(page)
        assert (look.errors, look.broken, dead_links(page, look)) == ([], [], [])
        assert look.images > 10 and "report_details.html" in look.links
        assert (look.wide, look.width) == ([], PHONE[0])
        assert look.type >= 11
        browser.load(page)
        shown = "document.getElementById('passport-0').checkVisibility()"
        assert not browser.evaluate(shown)
        browser.evaluate("document.querySelector('a[href=\"#passport-0\"]').click()")
        assert browser.evaluate(f"new Promise(done => setTimeout(() => done({shown}), 200))")


def test_nothing_is_left_to_do_after_a_full_run(finished):
    done = snakemake(finished, "--dry-run", "--cores", 2, root=finished)
    assert "Nothing to be done" in done.stdout


def test_forcing_one_rule_reruns_it_and_what_follows(finished):
    plan = planned_jobs(finished, "--forcerun", "train_model", root=finished)
    assert plan["train_model"] == 2
    assert not plan.keys() & {"acquire_part", "judge_captions", "create_model"}


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("acquire", "curate_dataset"),
        ("taxonomy", "flatten_taxonomy"),
        ("captions", "judge_captions"),
        ("shards", "write_shard"),
        ("train", "train_model"),
        ("evaluate", "judge"),
        ("tables", "tabulate_evaluations"),
        ("report", "write_report"),
        ("fungalzsl", "make_table"),
    ],
)
def test_each_stage_and_paper_has_a_target(tmp_path, target, made):
    assert made in planned_jobs(tmp_path, target)


def test_a_paper_that_is_not_there_is_no_empty_success(tmp_path):
    assert snakemake(tmp_path, "--dry-run", "bioclip", check=False).returncode != 0


OWN_TABLE = """
title: "FungalZSL: zero-shot accuracy by source of texts"
label: Sources of texts
caption: Zero-shot accuracy for each source of class texts.
rows: [{axis: evaluation, of: $caption_sources}, {axis: run, of: $rows}]
entry: {protocol: zero_shot, measure: top1}
columns:
  - {key: texts, label: Texts, text: "{evaluation}"}
  - {key: model, label: Model, text: "{run}"}
  - {key: top1, label: Top-1, interval: true}
  - {key: before_training, label: Before training, state: start, interval: true}
mark: {columns: [top1]}
figure: {kind: dots, lines: texts, value: top1, panels: model, before: before_training}
"""


def test_a_table_is_added_by_writing_one_file(own_copy):
    file = own_copy / "workflow/registry/tables/fungalzsl/sources.yaml"
    file.write_text(OWN_TABLE)
    made = {"make_table": 1, "fungalzsl": 1}
    assert planned_jobs(own_copy, "fungalzsl", root=own_copy) == made
    snakemake(own_copy, "--cores", 1, "fungalzsl", root=own_copy)
    table = (own_copy / "results/tables/fungalzsl_sources.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in table] == [
        ["texts", "model"],
        ["visual", "nicheclip-tiny"],
        ["plain", "nicheclip-tiny"],
    ]
    assert (own_copy / "results/figures/fungalzsl_sources.svg").is_file()
    assert "make_table" not in planned_jobs(own_copy, "fungalzsl", root=own_copy)


def test_a_typo_in_a_table_stops_before_anything_runs(own_copy):
    file = own_copy / "workflow/registry/tables/fungalzsl/1.yaml"
    file.write_text(file.read_text().replace("columns:", "colums:"))
    done = snakemake(own_copy, "--dry-run", root=own_copy, check=False)
    assert done.returncode != 0
    assert "unknown key 'colums'; did you mean 'columns'" in done.stdout
    assert "fungalzsl/1.yaml, line" in done.stdout


def test_a_moved_clone_has_nothing_to_do(own_copy):
    assert planned_jobs(own_copy, root=own_copy) == {}


def test_a_typo_in_the_config_stops_before_anything_runs(tmp_path):
    changed = tmp_path / "typo.yaml"
    changed.write_text(TINY.read_text().replace("batch_size:", "batchsize:"))
    done = snakemake(tmp_path, "--cores", 1, config=changed, check=False)
    assert done.returncode != 0
    assert "typo.yaml, line" in done.stdout
    assert "training.fungi-tiny.batchsize: unknown key 'batchsize'; did you mean" in done.stdout
    assert not (tmp_path / "results").exists()


def test_the_slurm_profile_resolves_in_a_fresh_clone(tmp_path):
    repository = clone(tmp_path / "clone")
    done = subprocess.run(
        [command()[0], "--profile", "slurm", "--dry-run"],
        cwd=repository,
        env=environment(XDG_CONFIG_HOME=str(tmp_path / "none")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_model" in done.stdout


README_COMMANDS = [
    line.split("#")[0].strip()
    for line in (ROOT / "README.md").read_text().splitlines()
    if line.startswith("snakemake ")
]


@pytest.mark.parametrize("line", README_COMMANDS)
def test_the_readmes_commands_resolve(tmp_path, line):
    repository = clone(tmp_path / "clone")
    (tmp_path / "pests/ant").mkdir(parents=True)
    own = (
        (ROOT / "workflow/config/own.yaml").read_text().replace("~/pests", str(tmp_path / "pests"))
    )
    for name in ("my", "pests"):  # as a person who follows the README has them
        (repository / f"{name}.yaml").write_text(own)
    arguments = [command()[0], *line.split()[1:], "--dry-run"]
    done = subprocess.run(
        arguments, cwd=repository, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_value_of_the_config_can_be_given_on_the_command_line(finished):
    plan = planned_jobs(finished, "--config", "seed=1", root=finished)
    assert plan["acquire_part"] == 1 and "create_model" not in plan


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.02)


def start(folder, *arguments):
    return subprocess.Popen(
        command("--cores", 2, *arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_a_killed_run_from_scratch_goes_on_to_the_same_bytes(finished, tmp_path):
    """kill -9 of the driver and its jobs, then of the driver alone; each time the same command."""
    checkpoint = "results/models/trained/fungi-tiny/seed{}/run/checkpoints/*/step-*.json"
    done = tmp_path / "results/models/trained/fungi-tiny/seed{}/train.json"

    first = start(tmp_path, "tables", "figures")
    wait_for(lambda: any(tmp_path.glob(checkpoint.format("*"))), 300, "checkpoint")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    started = [seed for seed in "01" if any(tmp_path.glob(checkpoint.format(seed)))]
    assert started and not all(Path(str(done).format(seed)).exists() for seed in "01")

    second = start(tmp_path, "tables", "figures")
    log = tmp_path / f"results/logs/models/trained/fungi-tiny/seed{started[0]}.log"
    wait_for(
        lambda: log.exists() and "going on after step" in log.read_text(),
        300,
        "training that resumes",
    )
    os.kill(second.pid, signal.SIGKILL)  # its jobs live on
    second.wait()

    last = snakemake(tmp_path, "--cores", 2, "tables", "figures")
    assert "Acquiring" not in last.stdout
    assert reproducible(tmp_path) == reproducible(finished)
