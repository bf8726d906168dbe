"""Plot the training curves of every run, one line for each seed.

params.histories: history.csv of each seed, by run
output: the SVG and PNG files of all of them
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.figures import training_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    for run, files in snakemake.params.histories.items():
        histories = {seed: Path(file) for seed, file in files.items()}
        figure = training_figure(histories, f"Training of {run}")
        save_figure(figure, Path("results/figures/training") / run)
