"""The figures of runs and cells: which there are, and what each is drawn from."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from nicheclip.plan.adaptation_figures import adaptation_figures
from nicheclip.plan.cells import Cell
from nicheclip.plan.plan import Plan, unique
from nicheclip.subjects import STATES


class _Figure(BaseModel):
    """A figure as the job that draws it is told of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """Below ``results/figures``, without a suffix."""
    title: str


class ConfusionFigure(_Figure):
    """The confusion matrix of one zero-shot cell."""

    classes: str
    """Schema ``CLASSES``, for the names."""
    evaluation: str
    dataset: str
    split: str
    predictions: str
    job: str
    """The folder of the job that judges it."""


class CalibrationFigure(_Figure):
    """Reliability and selective accuracy of one cell of the protocol ``calibration``."""

    evaluation: str
    metrics: str
    predictions: str
    job: str
    """The folder of the job that judges it."""


class EmbeddingFigure(_Figure):
    """The image features of one model on a plane."""

    classes: str
    """Schema ``CLASSES``, for the names."""
    features: str
    """The file of image features, beside the manifest."""
    manifest: str
    catalog: str
    split: str


def confusion_figures(plan: Plan) -> list[ConfusionFigure]:
    """Of what is judged by zero-shot classification: the first seed of each run, and start models
    that are judged without any training.
    """
    return [
        ConfusionFigure(
            path=f"confusion/{cell.evaluation}/{cell.dataset}/"
            f"{cell.subject.name}-{cell.subject.variant}",
            title=f"{cell.subject.name} ({cell.subject.variant}): {cell.evaluation}"
            f" on {cell.dataset}/{cell.split}",
            classes=f"results/acquire/{cell.dataset}/classes.parquet",
            evaluation=cell.evaluation,
            dataset=cell.dataset,
            split=cell.split,
            predictions=cell.predictions,
            job=cell.job,
        )
        for cell in plan.all_cells()
        if cell.protocol == "zero_shot" and _is_shown(plan, cell)
    ]


def calibration_figures(plan: Plan) -> list[CalibrationFigure]:
    """Of what the protocol ``calibration`` judges: the models that have a confusion matrix, too."""
    return [
        CalibrationFigure(
            path=f"calibration/{cell.evaluation}/{cell.dataset}/"
            f"{cell.subject.name}-{cell.subject.variant}",
            title=f"{cell.subject.name} ({cell.subject.variant}): {cell.evaluation}"
            f" on {cell.dataset}/{cell.split}",
            evaluation=cell.evaluation,
            metrics=cell.metrics,
            predictions=cell.predictions,
            job=cell.job,
        )
        for cell in plan.all_cells()
        if cell.protocol == "calibration" and _is_shown(plan, cell)
    ]


def _is_shown(plan: Plan, cell: Cell) -> bool:
    """Whether a figure shows the cell's mistakes: of one seed, and of no model that trains on."""
    subject = cell.subject
    if subject.kind == "adapted":  # the tables of adaptation have many small tasks
        figures = adaptation_figures(plan)
        return figures is not None and str(subject) == figures.subject
    if subject.kind == "trained":
        return subject == plan.trained(subject.name)[0]
    runs = plan.runs(cell.evaluation, cell.dataset)
    return not any(subject in plan.starts(run) for run in runs)


def embedding_figures(plan: Plan) -> list[EmbeddingFigure]:
    """Of each run that has a confusion matrix: its first seed, and what it started from."""
    shown = []
    for evaluation, task in plan.config.evaluation.items():
        if "zero_shot" not in task.protocols:
            continue
        for dataset in task.datasets:
            for run in plan.runs(evaluation, dataset):
                pair = (plan.starts(run)[0], plan.trained(run)[0])
                shown += [(dataset, task.split, subject) for subject in pair]
    return [
        EmbeddingFigure(
            path=f"embedding/{dataset}/{split}/{subject.kind}-{subject.name}-{subject.variant}",
            title=f"{subject.name}, {STATES[subject.kind]} ({subject.variant}): {dataset}/{split}",
            classes=f"results/acquire/{dataset}/classes.parquet",
            features=plan.image_features(dataset, split, subject),
            manifest=plan.subject_job(dataset, split, subject.kind, subject.name).features,
            catalog=f"results/acquire/{dataset}/catalog.parquet",
            split=split,
        )
        for dataset, split, subject in unique(shown)
    ]


def inputs_of(
    confusions: Sequence[ConfusionFigure],
    embeddings: Sequence[EmbeddingFigure],
    calibrations: Sequence[CalibrationFigure],
) -> list[str]:
    """The files and folders that the figures are drawn from."""
    files = [file for figure in confusions for file in (figure.job, figure.classes)]
    files += [figure.job for figure in calibrations]
    for figure in embeddings:
        files += [figure.manifest, figure.catalog, figure.classes]
    return unique(files)
