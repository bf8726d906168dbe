"""Plot the confusion matrix of one model."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.predictions import read_class_names, read_predictions
from nicheclip.reporting.figures import confusion_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    cell = snakemake.wildcards
    figure = confusion_figure(
        read_predictions(snakemake.input.predictions),
        read_class_names(snakemake.input.classes),
        f"{cell.run}, seed {cell.seed}: zero-shot, {cell.evaluation}",
    )
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
