"""The engine: takes an objective from its start to its result, resumable to the same bytes."""

from collections.abc import Callable
from pathlib import Path

from nicheclip.engine.epoch_models import save_epoch_models
from nicheclip.engine.finished import keep_result, put_back
from nicheclip.engine.interruption import StopRequest
from nicheclip.engine.loop import Loop
from nicheclip.engine.objective import Objective
from nicheclip.engine.ownership import Ownership
from nicheclip.engine.processes import join_processes
from nicheclip.engine.records import REPORT, RunReport, write_history
from nicheclip.engine.settings import RunSettings
from nicheclip.runtime.files import write_json

HISTORY_FILE = "history.csv"


def run(
    settings: RunSettings,
    make_objective: Callable[[], Objective],
    *,
    run_folder: Path,
    output: Path,
    code: str = "",
    stop_at: float | None = None,
    describe: Callable[[RunReport], None] | None = None,
    after_epoch: Callable[[Objective, int, str], None] | None = None,
) -> RunReport:
    """Minimise an objective and write the result to ``output``.

    A run that was killed or stopped resumes from its last checkpoint in ``run_folder`` when the
    same call is made again; on a CPU the weights are then, bit by bit, those of an unbroken run
    with the same number of threads. SIGTERM, SIGUSR1, SIGINT, the time ``stop_at`` and a newer
    process for the same run end the step in progress, write a checkpoint and exit with status 75
    (``interruption.EXIT_STATUS``). Checkpoints are deleted when the run is complete; its result is
    kept in ``run_folder`` until that of another run is complete, and put back if that one is given
    up (see ``finished``).

    Where WORLD_SIZE is set, this is one of so many processes (see ``engine.process``).

    Args:
        settings: of the run; ``compute.gpus`` 0 trains on the CPU.
        make_objective: called once, when all processes are there.
        run_folder: for checkpoints, ``log.jsonl``, TensorBoard files and links to the result.
        output: receives what the objective saves, ``train.json``, ``history.csv`` and ``epochs``.
        code: a digest of this code; ``compute.on_code_change`` says what happens to checkpoints
            that other code has written.
        stop_at: seconds since 1970.
        describe: called by one process when the result is written, to put more beside it.
        after_epoch: called by one process after each epoch with the objective, the epoch (from 0)
            and the fingerprint of the run, before the epoch's checkpoint; it is called again for an
            epoch that is repeated when a run resumes. The weights must be whole in each process.

    Raises:
        InputError: the settings do not fit the objective, the data or the machine, the code has
            changed since the checkpoint, the loss, a weight or a figure of an epoch is no longer
            finite, or the disk is full.
        Interrupted: the process was asked to stop.
    """
    processes = join_processes(settings.compute, settings.precision, sharded=settings.sharded)
    owner = Ownership(run_folder) if processes.is_first else None
    try:
        processes.fabric.barrier()  # nobody looks for checkpoints while an earlier one may write
        with StopRequest(stop_at=stop_at, owner=owner) as stop:
            loop = Loop(processes, settings, make_objective(), run_folder, code, stop, after_epoch)
            try:
                if kept := put_back(run_folder, output, processes, loop.checkpoints):
                    return kept
                loop.train()
                report = loop.report()
            finally:
                loop.close()
            if processes.is_first:
                _write_result(loop, report, output)
                if describe:
                    describe(report)
                keep_result(output, run_folder)
                loop.checkpoints.remove()
            processes.fabric.barrier()
    finally:
        if owner:
            owner.release()
    return report


def _write_result(loop: Loop, report: RunReport, output: Path) -> None:
    loop.objective.save(output)
    save_epoch_models(loop.objective, loop.updates.kept.last, output)
    write_history(output / HISTORY_FILE, loop.history)
    write_json(output / REPORT, report.model_dump(mode="json"))
