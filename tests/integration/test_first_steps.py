"""What a person meets in the first minutes: a wrong machine, a wrong place, Ctrl-C, an error."""

import os
import shutil
import signal
import subprocess

import pytest
import yaml

from changed_config import changed
from nicheclip.runtime.files import read_json
from nicheclip.runtime.last_words import STOPPED
from workflow_run import TINY, clone, command, environment, snakemake


@pytest.fixture
def config(tmp_path):
    """Writes the tiny config with one value changed."""

    def write(path, value, name="my.yaml"):
        file = tmp_path / name
        file.write_text(yaml.safe_dump(changed(yaml.safe_load(TINY.read_text()), path, value)))
        return file

    return write


def failed(folder, *arguments, **options):
    done = snakemake(folder, "--cores", 1, *arguments, check=False, **options)
    assert done.returncode != 0
    return done.stdout


def test_a_clone_below_a_folder_with_braces_works(tmp_path):
    folder = clone(tmp_path / "plain{species} {} {a b}" / "clone")
    snakemake(folder, "--cores", 1, "acquire", root=folder)
    assert read_json(folder / "results/acquire/fungi/manifest.json")["counts"]["images"] == 84


def test_braces_that_snakemake_cannot_take_are_named(tmp_path):
    (tmp_path / "{0}").mkdir()
    said = failed(tmp_path / "{0}", "acquire")
    assert str(tmp_path / "{0}") in said and "Give the folder another name" in said


def test_results_that_are_a_file_are_named(tmp_path):
    (tmp_path / "results").touch()
    said = failed(tmp_path, "acquire")
    assert f"{tmp_path / 'results'} is a file" in said and "Move the file away" in said


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "training.fungi-tiny.compute",
            {"gpus": 64},
            r"training.fungi-tiny.compute.gpus asks for 64 GPUs, and torch sees",
        ),
        (
            "models.tiny",
            {"architecture": "RN50", "pretrained": "openai"},
            "models.tiny: the weights (timm/resnet50_clip.openai) are neither cached nor reachable",
        ),
        (
            "models.tiny",
            {"architecture": "RN50", "pretrained": "opnai"},
            "models.tiny: 'opnai' is neither a file nor one of open_clip's weights of RN50 (openai",
        ),
    ],
    ids=["gpus", "weights", "tag"],
)
def test_what_this_machine_lacks_is_said_before_the_first_job(
    tmp_path, config, path, value, expected
):
    said = failed(
        tmp_path, "train", config=config(path, value), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)
    )
    assert expected in said and "no job was started" in said
    assert not (tmp_path / "results").exists()


def test_the_error_of_a_job_stands_last(tmp_path, config):
    (tmp_path / "images").mkdir()
    source = {"kind": "folder", "path": str(tmp_path / "images")}
    said = failed(tmp_path, "acquire", config=config("datasets.fungi.source", source))
    last = said[said.rindex("curate_dataset failed") :]
    assert last.startswith("curate_dataset failed (results/logs/curate/fungi.log):\nerror: fungi: ")
    assert "Check the source's path" in last and "Error in rule" not in last
    assert len(last.splitlines()) < 6


def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        command("--cores", 1, "acquire"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Acquiring part" in line:
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) != 0
    said = "".join(lines)
    assert said.rstrip().endswith(STOPPED)
    assert "Error in rule" not in said and "WorkflowError" not in said
    snakemake(tmp_path, "--cores", 1, "acquire")


def test_results_of_the_same_names_from_other_sources_are_said_to_be_replaced(tmp_path, config):
    first = config("seed", 0, "first.yaml")
    assert (
        "stood for something else"
        not in snakemake(tmp_path, "--cores", 1, "acquire", config=first).stdout
    )
    # the same config again, and another seed, replace nobody's sources
    assert "Note:" not in snakemake(tmp_path, "--cores", 1, "acquire", config=first).stdout
    (tmp_path / "images").mkdir()
    source = {"kind": "folder", "path": str(tmp_path / "images")}
    second = config("datasets.fungi.source", source, "second.yaml")
    said = snakemake(tmp_path, "--cores", 1, "--dry-run", "acquire", config=second).stdout
    assert "earlier run in this folder" in said and "first.yaml" in said
    assert f"datasets.fungi: was the world fungi, now the folder {tmp_path / 'images'}" in said
    # once nothing of it is left, nothing can be replaced
    shutil.rmtree(tmp_path / "results/acquire")
    said = snakemake(tmp_path, "--cores", 1, "--dry-run", "acquire", config=second).stdout
    assert "earlier run in this folder" not in said
