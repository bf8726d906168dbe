"""BioCLIP: the intrinsic tree figure.

input.features: list of image features (safetensors), one file for each of params.labels
input.catalog, input.classes: of the data set
params.labels: what each model is called, for example before and after training
params.split: of the images; params.seed: of the sample of a large split; params.title
output.svg, output.png
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.evaluation.tree_distance import class_lineages
from nicheclip.models.features import read_features
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.tree_figure import tree_figure, tree_panels
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    features = map(read_features, snakemake.input.features)
    panels = tree_panels(
        read_labels(snakemake.input.catalog, snakemake.params.split),
        class_lineages(read_classes(snakemake.input.classes)),
        seed=snakemake.params.seed,
    )
    figure = tree_figure(
        dict(zip(snakemake.params.labels, features, strict=True)), panels, snakemake.params.title
    )
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
