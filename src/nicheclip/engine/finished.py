"""The result of a run, kept until that of the next run is complete.

Snakemake deletes the outputs of a job before it starts, and what a failed job has written. Links to
the result therefore lie in the run folder, which is no output: a new training that is stopped or
fails leaves the model of before there. (An output that the rule marks with ``update`` would stay in
its place, but Snakemake 9 then records a job that failed as one that is done: the old model would
count as that of the new config.)
"""

import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = "finished"


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
    except OSError as error:
        log.warning("%s: the result is not kept here for the next training (%s)", kept, error)
        shutil.rmtree(new, ignore_errors=True)


def _link(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except OSError:
        shutil.copy2(file, place)


def tell_what_is_kept(run_folder: Path) -> None:
    """Say where the result of the run before is."""
    kept = run_folder / FOLDER
    if kept.is_dir():
        log.info("%s: holds the result of before until this training is complete", kept)
