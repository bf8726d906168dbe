"""Tabulate everything that each evaluation judges, and rank the models.

input.others: JSONL files with results of others
params.metrics: by the name of the evaluation, the metrics files of its cells
params.scale: of the config
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.leaderboard import read_others
from nicheclip.evaluation.frame import read_cells
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.leaderboard import lines_of
from nicheclip.reporting.leaderboard_page import leaderboard_page, leaderboard_text
from nicheclip.reporting.table_files import to_latex, to_markdown, write_table
from nicheclip.runtime.files import write_text
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    lines = []
    for evaluation, metrics in snakemake.params.metrics.items():
        frame = read_cells([Path(path) for path in metrics])
        table = evaluation_table(evaluation, frame, scale=snakemake.params.scale)
        write_table(table, Path("results/tables/evaluation"), evaluation)
        lines += lines_of(frame)
    ours = [line.model_dump_json(exclude_none=True) + "\n" for line in lines]
    write_text(snakemake.output.leaderboard, "".join(ours))
    lines += read_others(snakemake.input.others)
    write_text(snakemake.output.leaderboard_page, leaderboard_page(lines))
    write_text(snakemake.output.leaderboard_markdown, leaderboard_text(lines, to_markdown))
    write_text(snakemake.output.leaderboard_latex, leaderboard_text(lines, to_latex))
