"""Which names of a config must be in which other section."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import CaptionTexts
from nicheclip.config.training_free import pretrained_vision

if TYPE_CHECKING:
    from nicheclip.config.workflow import Config

Reference = tuple[str, str, str]
"""Where it stands, the name, and the section that must have it."""


def references(config: "Config") -> Iterator[Reference]:
    """Every name that must be in another section."""
    for name, dataset in config.datasets.items():
        if dataset.captions:
            yield f"datasets.{name}.captions", dataset.captions, "captions"
        for other in dataset.leakage.apart_from if dataset.leakage else ():
            yield f"datasets.{name}.leakage.apart_from", other, "datasets"
    for name, captions in config.captions.items():
        yield f"captions.{name}.dataset", captions.dataset, "datasets"
        for other in captions.gates.forbidden_classes:
            yield f"captions.{name}.gates.forbidden_classes", other, "datasets"
    for name, run in config.training.items():
        yield f"training.{name}.dataset", run.dataset, "datasets"
        yield f"training.{name}.model", run.model, "models"
        if run.start_from:
            yield f"training.{name}.start_from", run.start_from, "training"
        if run.replay:
            yield f"training.{name}.replay.dataset", run.replay.dataset, "datasets"
        if run.validation and run.validation.dataset:
            yield f"training.{name}.validation.dataset", run.validation.dataset, "datasets"
    for name, pretraining in config.pretraining.items():
        yield f"pretraining.{name}.dataset", pretraining.dataset, "datasets"
    yield from _of_alignment(config)
    for name, task in config.evaluation.items():
        for dataset_name in task.datasets:
            yield f"evaluation.{name}.dataset", dataset_name, "datasets"
        if task.seen_in:
            yield f"evaluation.{name}.seen_in", task.seen_in, "datasets"
        for run_name in task.runs or []:
            yield f"evaluation.{name}.runs", run_name, "training"
        for aligned in task.aligned:
            yield f"evaluation.{name}.aligned", aligned, "alignment"
        for model_name in task.models:
            yield f"evaluation.{name}.models", model_name, "models"
        if isinstance(task.class_texts, CaptionTexts):
            for dataset_name in task.datasets:
                captions_name = task.class_texts.of(dataset_name)
                if captions_name is not None:
                    yield f"evaluation.{name}.class_texts", captions_name, "captions"
    yield from _of_adaptation(config)
    for paper in type(config.papers).model_fields:
        if settings := getattr(config.papers, paper):
            for key, name, section in settings.references():
                yield f"papers.{paper}.{key}", name, section


def _of_alignment(config: "Config") -> Iterator[Reference]:
    for name, alignment in config.alignment.items():
        yield f"alignment.{name}.dataset", alignment.dataset, "datasets"
        if alignment.pretraining:
            yield f"alignment.{name}.pretraining", alignment.pretraining, "pretraining"
        if alignment.run:
            yield f"alignment.{name}.run", alignment.run, "training"
        if alignment.model:
            yield f"alignment.{name}.model", alignment.model, "models"


def _of_adaptation(config: "Config") -> Iterator[Reference]:
    for name, task in config.tasks.items():
        yield f"tasks.{name}.dataset", task.dataset, "datasets"
        if task.seen_in:
            yield f"tasks.{name}.seen_in", task.seen_in, "datasets"
        for captions in task.caption_sets():
            yield f"tasks.{name}.texts", captions, "captions"
    for name, adaptation in config.adaptation.items():
        yield from ((f"adaptation.{name}.tasks", task, "tasks") for task in adaptation.tasks)
        if adaptation.run:
            yield f"adaptation.{name}.run", adaptation.run, "training"
        if adaptation.model:
            yield f"adaptation.{name}.model", adaptation.model, "models"
        for vision in pretrained_vision(adaptation.method):
            yield f"adaptation.{name}.method.vision", vision, "pretraining"
