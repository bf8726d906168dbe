"""What an adaptation costs: passes through the towers, parameters that train, seconds, memory."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nicheclip.config.adaptation import Method, TrainedMethod
from nicheclip.cost.passes import TaskSize, epochs, passes
from nicheclip.plan.table_request import Row, TableRequest
from nicheclip.reporting.table import Content, Measured, Number
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json

METHOD: TypeAdapter[Any] = TypeAdapter(Method)


def entries(request: TableRequest, row: Row) -> Mapping[str, Content] | None:
    """``epochs``, ``forward``, ``backward``, ``judged`` and ``views`` (in all, of an image that is
    fitted and judged) as the method needs them; from the runs ``parameters``, ``seconds`` and
    ``memory`` (MiB), means over seeds.

    Raises:
        InputError: a method that trains left no report.
    """
    del request
    method = METHOD.validate_python(row.method)
    files = [Path(cell.subject.folder) / "train.json" for cell in row.entry.cells]
    trains = isinstance(method, TrainedMethod)
    runs = [_report(file) for file in files] if trains else []
    facts = runs[0]["facts"] if runs else {"images": 1, "classes": 2}
    needed = passes(method, TaskSize(facts["images"], facts["images"], facts["classes"]))
    found: dict[str, Content] = {
        "epochs": Number(epochs(method), 0),
        "forward": Number(needed.forward, 2),
        "backward": Number(needed.backward, 2),
        "judged": Number(needed.judged, 0),
        "views": Number(epochs(method) * needed.forward + needed.once + needed.judged, 1),
        "parameters": Number(runs[0]["trainable"] if runs else 0, 0),
    }
    if runs:
        sources = tuple(map(str, files))
        seconds = statistics.fmean(run["seconds"] for run in runs)
        memory = statistics.fmean(run["peak_memory_bytes"] for run in runs) / 2**20
        found["seconds"] = Measured(seconds, sources, digits=1)
        found["memory"] = Measured(memory, sources, digits=0)
    return found


def _report(file: Path) -> Any:
    if not file.is_file():
        raise InputError(f"{file}: is not there. Add --forcerun adapt_model to the same command.")
    return read_json(file)
