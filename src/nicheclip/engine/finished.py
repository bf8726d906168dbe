"""The result of a run, kept until that of the next run is complete.

Snakemake deletes the outputs of a job before it starts, and what a failed job has written. Links to
the result therefore lie in the run folder, which is no output: a new training that is stopped or
fails leaves the model of before there. (An output that the rule marks with ``update`` would stay in
its place, but Snakemake 9 then records a job that failed as one that is done: the old model would
count as that of the new config.) Where the config is then put back, so is that result.
"""

import logging
import os
import shutil
from pathlib import Path

import torch

from nicheclip.engine.checkpoint import CheckpointFolder
from nicheclip.engine.processes import Processes
from nicheclip.engine.records import REPORT, RunReport
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json

log = logging.getLogger(__name__)

FOLDER = "finished"
#: an empty file in the run folder: a training of another origin has begun since
REPLACING = "replacing"


def keep_result(output: Path, run_folder: Path) -> None:
    """Link the files in ``output`` into ``run_folder``, instead of what was kept before.

    They are copied where the file system has no links; where there is no room, the log says so.
    """
    kept, new = run_folder / FOLDER, run_folder / f"{FOLDER}.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        for file in sorted(output.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                _link(file, new / file.name)
        shutil.rmtree(kept, ignore_errors=True)
        new.rename(kept)
        (run_folder / REPLACING).unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: the result is not kept here for the next training (%s)", kept, error)
        shutil.rmtree(new, ignore_errors=True)


def _link(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except OSError:
        shutil.copy2(file, place)


def put_back(
    run_folder: Path, output: Path, processes: Processes, checkpoints: CheckpointFolder
) -> RunReport | None:
    """Put the kept result back where a training that was to replace it has been given up.

    That is so where one of another origin has begun since, and this run is again the one that the
    result is of: it need not be trained a second time. The other's checkpoints stay.

    Args:
        run_folder: of the run.
        output: receives the result.
        processes: all of them ask.
        checkpoints: of this run; say its origin and code.

    Returns:
        The report of the result that was put back; None where there is something to train.
    """
    kept, mark = run_folder / FOLDER, run_folder / REPLACING
    report = _report(kept / REPORT)
    same = report is not None and report.fingerprint == checkpoints.fingerprint
    given_up = processes.is_first and mark.exists() and same
    again = given_up and report is not None and report.code == list(checkpoints.code)
    if not float(processes.sum(torch.tensor(float(again), device=processes.device))):
        if processes.is_first and kept.is_dir():
            if not same:
                mark.touch()
            log.info("%s: holds the result of before until this training is complete", kept)
        return None
    if processes.is_first:
        output.mkdir(parents=True, exist_ok=True)
        for file in sorted(kept.iterdir()):
            place = output / file.name
            place.unlink(missing_ok=True)
            _link(file, place)
            place.touch()  # not older than what the job has read
        mark.unlink()
        log.info("%s: is the result of this very run, and is put back without training", kept)
    return report


def _report(file: Path) -> RunReport | None:
    """None where there is none that can be read."""
    try:
        return RunReport.model_validate(read_json(file))
    except (InputError, ValueError, OSError):
        return None
