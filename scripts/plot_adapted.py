"""Plot what adaptation did: pseudo-labels by epoch, crop weights, a hard group before and after.

params.figures: plan.adaptation_figures.AdaptationFigures as plain values
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.adaptation.look import before_and_after, crop_cosines
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.evaluation.predictions import read_class_names, read_labels
from nicheclip.plan import adaptation_figures as plan
from nicheclip.reporting import adaptation_figures as draw
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

FIGURES, MODELS, ACQUIRED = (Path(f"results/{room}") for room in ("figures", "models", "acquire"))

with job(snakemake.log[0]):
    wanted = plan.AdaptationFigures.model_validate(snakemake.params.figures)
    accuracies = draw.label_accuracies(wanted, MODELS / "adapted", ACQUIRED)
    title = "Pseudo-labels that are right, by epoch"
    save_figure(draw.pseudo_label_figure(accuracies, title), FIGURES / plan.PSEUDO_LABELS)

    first, start = wanted.tasks[0], Path(wanted.start)
    inputs = TaskInputs(Path("results/tasks") / first.name)
    cosines = crop_cosines(
        start, inputs.judged, count=wanted.crops, side=wanted.crop_side, seed=wanted.seed
    )
    title = f"Weights of crops, {first.name}"
    figure = draw.crop_weight_figure(cosines.features, cosines.cls, wanted.top_crops, title)
    save_figure(figure, FIGURES / plan.CROP_WEIGHTS)

    found = before_and_after(start, MODELS / wanted.subject, inputs)
    labels = read_labels(ACQUIRED / first.dataset / "catalog.parquet", first.judge)
    figure = draw.hard_group_figure(
        {
            "zero-shot": (found.before, found.features_before),
            wanted.label: (found.after, found.features_after),
        },
        labels,
        read_class_names(ACQUIRED / first.dataset / "classes.parquet"),
        draw.hard_group(found.before, labels),
        f"The classes of {first.name} that zero-shot takes most often for each other",
    )
    save_figure(figure, FIGURES / plan.HARD_GROUP)
