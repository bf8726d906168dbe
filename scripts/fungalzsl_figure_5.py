"""FungalZSL, Figure 5: a grid of predictions, right ones green, wrong ones red."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.predictions import read_class_names, read_predictions
from nicheclip.reporting.fungalzsl_figures import prediction_grid
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    figure = prediction_grid(
        read_predictions(snakemake.input.predictions),
        ShardSet(Path(snakemake.input.shards[0]).parent),
        read_class_names(snakemake.input.classes),
        "FungalZSL, Figure 5: predicted classes of test images",
        seed=snakemake.params.seed,
    )
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
