"""Plot the image features of a model on their first two principal components."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.predictions import read_class_names, read_labels
from nicheclip.models.features import read_features
from nicheclip.reporting.figures import embedding_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

STAGES = {"models": "before training", "train": "trained"}

with job(snakemake.log[0]):
    cell = snakemake.wildcards
    figure = embedding_figure(
        read_features(snakemake.input.features),
        read_labels(snakemake.input.catalog, cell.split),
        read_class_names(snakemake.input.classes),
        f"{cell.name}, {STAGES[cell.origin]} ({cell.initial}): {cell.dataset}/{cell.split}",
    )
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
