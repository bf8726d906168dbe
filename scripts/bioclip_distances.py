"""BioCLIP: embedding distance against tree distance, as a figure and as numbers.

input.features: list of image features (safetensors), one file for each of params.labels
input.catalog, input.classes: of the data set
params.labels: what each model is called, the one that others are compared with first
params.split: of the images; params.seed: of the sample of classes and of the bootstrap
params.resamples, params.confidence: of the bootstrap; params.title: of the figure
output.svg, output.png, output.json (distance_correlation.DistanceRecord)
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.distance_correlation import judge_distances
from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.evaluation.records import write_record
from nicheclip.evaluation.tree_distance import measure_distances
from nicheclip.models.features import read_features
from nicheclip.reporting.distance_figure import distance_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    distances = measure_distances(
        dict(zip(params.labels, map(read_features, inputs.features), strict=True)),
        read_labels(inputs.catalog, params.split),
        read_classes(inputs.classes),
        seed=params.seed,
    )
    record = judge_distances(
        distances, resamples=params.resamples, confidence=params.confidence, seed=params.seed
    )
    write_record(snakemake.output.json, record)
    figure = distance_figure(distances, record, params.title)
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
