"""FungalZSL, Figure 4: class probabilities under each source of class texts."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.predictions import read_class_names, read_predictions
from nicheclip.reporting.fungalzsl_figures import caption_sources_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    predictions = map(read_predictions, snakemake.input.sources)
    figure = caption_sources_figure(
        dict(zip(snakemake.params.sources, predictions, strict=True)),
        read_class_names(snakemake.input.classes),
        "FungalZSL, Figure 4: mean probability of each class by source of texts",
    )
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
