"""The whole config, its cross-references, and errors that say where and what."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from nicheclip.config.base import ConfigModel, Seed
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.data import DatasetConfig
from nicheclip.config.evaluation import CaptionTexts, EvaluationConfig
from nicheclip.config.explain import explain, suggestion
from nicheclip.config.grids import expand_grids
from nicheclip.config.papers import PapersConfig
from nicheclip.config.tasks import AdaptationConfig, TaskConfig
from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError

#: names become folder names, and parts of file names, which may have 255 characters
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=150)]


class EncodingConfig(ConfigModel):
    """How models turn images and texts into features."""

    batch_size: Annotated[int, Field(ge=1)] = 256
    gpu: Annotated[int, Field(ge=0, le=1)] = 0
    """1 asks for a GPU in every job that encodes."""


class Config(ConfigModel):
    """`config.yaml`: what is made, from what, and how it is judged."""

    scale: Literal["demo", "paper", "own"] = "own"
    """`demo` marks tables as not comparable with the papers; `paper` compares them."""
    seed: Seed = 0
    """Of everything but training, which has seeds of its own."""
    datasets: dict[Name, DatasetConfig] = Field(min_length=1)
    taxonomy: TaxonomyConfig = TaxonomyConfig()
    captions: dict[Name, CaptionConfig] = Field(default={})
    models: dict[Name, ModelConfig] = Field(default={})
    training: dict[Name, TrainingConfig] = Field(default={})
    evaluation: dict[Name, EvaluationConfig] = Field(default={})
    tasks: dict[Name, TaskConfig] = Field(default={})
    adaptation: dict[Name, AdaptationConfig] = Field(default={})
    encoding: EncodingConfig = EncodingConfig()
    papers: PapersConfig = PapersConfig()
    scratch: str | None = None
    """A folder on each node's own disk, for example `$TMPDIR`: a training job copies its images
    there and reads the copies. Null reads the images where they are."""

    @model_validator(mode="after")
    def _references_exist(self) -> "Config":
        for place, name, section in self._references():
            known: dict[str, Any] = getattr(self, section)
            if name not in known:
                raise ValueError(
                    f"{place}: no {section!r} entry is called {name!r}{suggestion(name, known)}"
                )
        return self

    def _references(self) -> Iterator[tuple[str, str, str]]:
        """(where, name, section) of every name that must be in another section."""
        for name, dataset in self.datasets.items():
            if dataset.captions:
                yield f"datasets.{name}.captions", dataset.captions, "captions"
        for name, captions in self.captions.items():
            yield f"captions.{name}.dataset", captions.dataset, "datasets"
            for other in captions.gates.forbidden_classes:
                yield f"captions.{name}.gates.forbidden_classes", other, "datasets"
        for name, run in self.training.items():
            yield f"training.{name}.dataset", run.dataset, "datasets"
            yield f"training.{name}.model", run.model, "models"
        for name, task in self.evaluation.items():
            for dataset_name in task.datasets:
                yield f"evaluation.{name}.dataset", dataset_name, "datasets"
            if task.seen_in:
                yield f"evaluation.{name}.seen_in", task.seen_in, "datasets"
            for run_name in task.runs or []:
                yield f"evaluation.{name}.runs", run_name, "training"
            for model_name in task.models:
                yield f"evaluation.{name}.models", model_name, "models"
            if isinstance(task.class_texts, CaptionTexts):
                for dataset_name in task.datasets:
                    captions_name = task.class_texts.of(dataset_name)
                    if captions_name is not None:
                        yield f"evaluation.{name}.class_texts", captions_name, "captions"
        yield from self._references_of_adaptation()
        for paper in type(self.papers).model_fields:
            if settings := getattr(self.papers, paper):
                for key, name, section in settings.references():
                    yield f"papers.{paper}.{key}", name, section

    def _references_of_adaptation(self) -> Iterator[tuple[str, str, str]]:
        for name, task in self.tasks.items():
            yield f"tasks.{name}.dataset", task.dataset, "datasets"
            if task.seen_in:
                yield f"tasks.{name}.seen_in", task.seen_in, "datasets"
            for captions in task.caption_sets():
                yield f"tasks.{name}.texts", captions, "captions"
        for name, adaptation in self.adaptation.items():
            yield from ((f"adaptation.{name}.tasks", task, "tasks") for task in adaptation.tasks)
            if adaptation.run:
                yield f"adaptation.{name}.run", adaptation.run, "training"
            if adaptation.model:
                yield f"adaptation.{name}.model", adaptation.model, "models"

    @model_validator(mode="after")
    def _tasks_are_of_their_own(self) -> "Config":
        for name, task in self.tasks.items():
            if name in self.evaluation:
                raise ValueError(f"tasks.{name}: an evaluation has the same name; change one")
            for captions in task.caption_sets():
                described = self.captions[captions].dataset
                if described != task.dataset:
                    raise ValueError(
                        f"tasks.{name}.texts: {captions!r} describes the data set {described!r}, "
                        f"not {task.dataset!r}"
                    )
        return self

    @model_validator(mode="after")
    def _evaluations_can_run(self) -> "Config":
        for name, task in self.evaluation.items():
            for dataset in task.datasets:
                self._evaluation_can_run(f"evaluation.{name}", task, dataset)
        return self

    def _evaluation_can_run(self, where: str, task: EvaluationConfig, dataset: str) -> None:
        if "retrieval" in task.protocols and not self.datasets[dataset].captions:
            raise ValueError(
                f"{where}.protocols: retrieval looks for captions, and the data set "
                f"{dataset!r} has none; set datasets.{dataset}.captions"
            )
        if isinstance(task.class_texts, CaptionTexts):
            captions = task.class_texts.of(dataset)
            if captions is None:
                raise ValueError(
                    f"{where}.class_texts.captions: none is given for the data set {dataset!r}"
                )
            described = self.captions[captions].dataset
            if described != dataset:
                raise ValueError(
                    f"{where}.class_texts: {captions!r} describes the data set "
                    f"{described!r}, not {dataset!r}"
                )

    @model_validator(mode="after")
    def _captions_match_their_data(self) -> "Config":
        for name, dataset in self.datasets.items():
            if dataset.captions and self.captions[dataset.captions].dataset != name:
                raise ValueError(
                    f"datasets.{name}.captions: {dataset.captions!r} describes the data set "
                    f"{self.captions[dataset.captions].dataset!r}"
                )
        for name, run in self.training.items():
            if "caption" in run.texts.types and not self.datasets[run.dataset].captions:
                raise ValueError(
                    f"training.{name}.texts: the data set {run.dataset!r} has no captions; set "
                    f"datasets.{run.dataset}.captions or choose other text types"
                )
        return self


def check_file(file: Path | str) -> None:
    """Read ``file`` more strictly than Snakemake does.

    Raises:
        InputError: it is absent, empty, not YAML, or says something twice; names file and line.
    """
    if not Path(file).exists():
        raise InputError(
            f"{file}: no such file in {Path.cwd()}. Run snakemake in the folder of the clone, or "
            "name a config with --configfile, and write targets before that."
        )
    values = read_yaml(file)
    if not isinstance(values, dict):
        found = "it is empty" if values is None else f"it holds a {type(values).__name__}"
        raise InputError(
            f"{file}: expected the sections of a config ({', '.join(Config.model_fields)}), but "
            f"{found}. Copy workflow/config/own.yaml and change the lines that it marks."
        )


def parse_config(values: dict[str, Any], files: Sequence[Path | str] = ()) -> Config:
    """The typed config of ``values``, as read from ``files`` (later ones override).

    Raises:
        InputError: names each wrong key with its file and line, and the nearest valid key.
    """
    expanded = expand_grids(values)
    try:
        return Config.model_validate(expanded.values)
    except ValidationError as error:
        lines = explain(error, Config.model_json_schema(), files, expanded.origins)
        raise InputError("config: " + "\n  ".join(["not valid.", *lines])) from None
