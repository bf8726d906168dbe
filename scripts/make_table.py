"""Make one table of a paper with all its formats and its figure, or a figure alone.

params.request: plan.table_request.TableRequest as plain values
output.csv and its neighbours: of a table; output.svg, output.png: of a figure; output.json: the
numbers of a figure alone
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.records import write_record
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.pivot import make_table
from nicheclip.reporting.table_files import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    request = TableRequest.model_validate(snakemake.params.request)
    table = None
    if request.columns:
        table = make_table(request, read_cells([Path(path) for path in request.metrics]))
        write_table(table, Path("results/tables"), request.name)
    if request.figure:
        from nicheclip.reporting.style import save_figure  # a second; most tables have no figure

        kind = importlib.import_module(f"nicheclip.reporting.figure_kinds.{request.figure.kind}")
        drawing = kind.draw(request, table)
        save_figure(drawing.figure, Path("results/figures") / request.name)
        if drawing.numbers:
            write_record(f"results/figures/{request.name}.json", drawing.numbers)
