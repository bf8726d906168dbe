"""Plot the training curves of a run, one line for each seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.figures import training_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    histories = dict(zip(snakemake.params.labels, map(Path, snakemake.input), strict=True))
    figure = training_figure(histories, f"Training of {snakemake.wildcards.run}")
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
