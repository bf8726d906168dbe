"""Plot what the report shows of each model: confusion matrices, image features on a plane, and
where it was asked for, calibration.

params.confusions, params.embeddings, params.calibrations: plan.figures.ConfusionFigure,
EmbeddingFigure, CalibrationFigure as plain values
output: the SVG and PNG files of all of them
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.measures import read_metrics
from nicheclip.evaluation.predictions import read_class_names, read_labels, read_predictions
from nicheclip.models.features import read_features
from nicheclip.reporting.calibration_figure import calibration_figure
from nicheclip.reporting.figures import confusion_figure, embedding_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

FIGURES = Path("results/figures")

with job(snakemake.log[0]):
    for wanted in snakemake.params.confusions:
        figure = confusion_figure(
            read_predictions(wanted["predictions"]),
            read_class_names(wanted["classes"]),
            wanted["title"],
        )
        save_figure(figure, FIGURES / wanted["path"])
    for wanted in snakemake.params.embeddings:
        figure = embedding_figure(
            read_features(wanted["features"]),
            read_labels(wanted["catalog"], wanted["split"]),
            read_class_names(wanted["classes"]),
            wanted["title"],
        )
        save_figure(figure, FIGURES / wanted["path"])
    for wanted in snakemake.params.calibrations:
        predictions = read_predictions(wanted["predictions"])
        figure = calibration_figure(
            read_metrics(wanted["metrics"]),
            predictions.confidence,
            predictions.correct(),
            wanted["title"],
        )
        save_figure(figure, FIGURES / wanted["path"])
