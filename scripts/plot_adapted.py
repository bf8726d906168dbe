"""Plot what adaptation did: pseudo-labels by epoch, crop weights, a hard group before and after.

params.figures: plan.adaptation_figures.AdaptationFigures as plain values
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.adaptation.look import before_and_after, crop_cosines
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.evaluation.predictions import read_class_names, read_labels
from nicheclip.models.pseudo_labels import PSEUDO_LABELS_FILE, read_pseudo_labels
from nicheclip.plan.adaptation_figures import (
    CROP_WEIGHTS,
    HARD_GROUP,
    PSEUDO_LABELS,
    AdaptationFigures,
)
from nicheclip.reporting.adaptation_figures import (
    crop_weight_figure,
    hard_group,
    hard_group_figure,
    label_accuracy,
    pseudo_label_figure,
)
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

FIGURES, ADAPTED = Path("results/figures"), Path("results/models/adapted")


def acquired(dataset: str, name: str) -> str:
    """A file of a data set."""
    return f"results/acquire/{dataset}/{name}.parquet"


with job(snakemake.log[0]):
    wanted = AdaptationFigures.model_validate(snakemake.params.figures)
    accuracies = {}
    for task in wanted.tasks:
        labels = read_labels(acquired(task.dataset, "catalog"), task.fit)
        files = {
            label: ADAPTED / name / task.name / f"seed{wanted.seed}" / PSEUDO_LABELS_FILE
            for label, name in wanted.trained.items()
        }
        accuracies[task.name] = {
            label: label_accuracy(read_pseudo_labels(file), labels)
            for label, file in files.items()
            if file.is_file()
        }
    save_figure(
        pseudo_label_figure(accuracies, "Pseudo-labels that are right, by epoch"),
        FIGURES / PSEUDO_LABELS,
    )

    first = wanted.tasks[0]
    inputs, start = TaskInputs(Path("results/tasks") / first.name), Path(wanted.start)
    cosines = crop_cosines(
        start, inputs.judged, count=wanted.crops, side=wanted.crop_side, seed=wanted.seed
    )
    save_figure(
        crop_weight_figure(
            cosines.features, cosines.cls, wanted.top_crops, f"Weights of crops, {first.name}"
        ),
        FIGURES / CROP_WEIGHTS,
    )

    found = before_and_after(start, ADAPTED.parent / wanted.subject, inputs)
    labels = read_labels(acquired(first.dataset, "catalog"), first.judge)
    save_figure(
        hard_group_figure(
            {
                "zero-shot": (found.before, found.features_before),
                wanted.label: (found.after, found.features_after),
            },
            labels,
            read_class_names(acquired(first.dataset, "classes")),
            hard_group(found.before, labels),
            f"The classes of {first.name} that zero-shot takes most often for each other",
        ),
        FIGURES / HARD_GROUP,
    )
