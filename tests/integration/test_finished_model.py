"""A retraining within Snakemake, which deletes outputs before a job and after one that fails."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from nicheclip.runtime.files import sha256_file, write_json
from workflow_run import environment

TOY = Path(__file__).parents[1] / "toy_objective.py"

RULE = f"""
rule train:
    output: "out/toy.pt", "out/train.json", "out/history.csv"
    params: toy=config["toy"]
    shell: "{sys.executable} {TOY} . {{params.toy:q}}"
"""


def train(folder, **arguments):
    """Whether the workflow of one training succeeds, and what it prints."""
    (folder / "Snakefile").write_text(RULE)
    write_json(folder / "config.json", {"toy": json.dumps(arguments)})
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    done = subprocess.run(
        [snakemake, "--cores", "1", "--configfile", "config.json"],
        cwd=folder,
        env=environment(PYTHONPATH=":".join(sys.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout


def contents(folder):
    return {file.name: sha256_file(file) for file in folder.iterdir() if file.is_file()}


def test_the_old_model_is_there_until_the_new_one_is_complete(tmp_path):
    out, kept = tmp_path / "out", tmp_path / "run/finished"
    succeeded, printed = train(tmp_path)
    assert succeeded, printed
    old = contents(out)
    assert sorted(old) == ["history.csv", "toy.pt", "train.json"] and contents(kept) == old
    assert (out / "toy.pt").samefile(kept / "toy.pt")

    for step, number in ((9, signal.SIGTERM), (11, signal.SIGKILL)):
        stop = {"at_step": step, "signal": int(number), "every_step": False}
        succeeded, printed = train(tmp_path, choose=True, **stop)
        assert not succeeded and "Error in rule train" in printed
        assert not out.exists() and contents(kept) == old

    # the config is put back: so is the model, with the report of its own training
    succeeded, printed = train(tmp_path)
    assert succeeded, printed
    assert contents(out) == contents(kept) == old

    succeeded, printed = train(tmp_path, choose=True)
    assert succeeded, printed
    assert contents(kept) == contents(out) and contents(out)["toy.pt"] != old["toy.pt"]
    assert [path.name for path in (tmp_path / "run").glob("*.new")] == []
