"""The whole config, its cross-references, and errors that say where and what."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.config.base import ConfigModel, Name, Seed
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.data import DatasetConfig
from nicheclip.config.evaluation import TEXT_PROTOCOLS, CaptionTexts, EvaluationConfig
from nicheclip.config.explain import explain, suggestion
from nicheclip.config.grids import expand_grids
from nicheclip.config.leakage import circle
from nicheclip.config.papers import PapersConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.config.tasks import AdaptationConfig, TaskConfig
from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject


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
    pretraining: dict[Name, PretrainingConfig] = Field(default={})
    alignment: dict[Name, AlignmentConfig] = Field(default={})
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
            for other in dataset.leakage.apart_from if dataset.leakage else ():
                yield f"datasets.{name}.leakage.apart_from", other, "datasets"
        for name, captions in self.captions.items():
            yield f"captions.{name}.dataset", captions.dataset, "datasets"
            for other in captions.gates.forbidden_classes:
                yield f"captions.{name}.gates.forbidden_classes", other, "datasets"
        for name, run in self.training.items():
            yield f"training.{name}.dataset", run.dataset, "datasets"
            yield f"training.{name}.model", run.model, "models"
            if run.start_from:
                yield f"training.{name}.start_from", run.start_from, "training"
            if run.replay:
                yield f"training.{name}.replay.dataset", run.replay.dataset, "datasets"
        for name, pretraining in self.pretraining.items():
            yield f"pretraining.{name}.dataset", pretraining.dataset, "datasets"
        yield from self._references_of_alignment()
        for name, task in self.evaluation.items():
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
        yield from self._references_of_adaptation()
        for paper in type(self.papers).model_fields:
            if settings := getattr(self.papers, paper):
                for key, name, section in settings.references():
                    yield f"papers.{paper}.{key}", name, section

    @model_validator(mode="after")
    def _runs_can_start(self) -> "Config":
        for name, run in self.training.items():
            if run.start_from is None:
                continue
            first, where = self.training[run.start_from], f"training.{name}.start_from"
            if first.start_from:
                raise ValueError(
                    f"{where}: {run.start_from!r} starts from a run itself; name one that starts "
                    "from its model"
                )
            if first.model != run.model:
                raise ValueError(
                    f"{where}: {run.start_from!r} has the model {first.model!r}; expected "
                    f"training.{name}.model, {run.model!r}"
                )
        return self

    def datasets_of(self, run: str) -> list[str]:
        """The data sets that a run's model was trained on, those of its start included."""
        training = self.training[run]
        found = [training.dataset]
        if training.replay:
            found.append(training.replay.dataset)
        return found + (self.datasets_of(training.start_from) if training.start_from else [])

    def _references_of_alignment(self) -> Iterator[tuple[str, str, str]]:
        for name, alignment in self.alignment.items():
            yield f"alignment.{name}.dataset", alignment.dataset, "datasets"
            yield f"alignment.{name}.pretraining", alignment.pretraining, "pretraining"
            if alignment.run:
                yield f"alignment.{name}.run", alignment.run, "training"
            if alignment.model:
                yield f"alignment.{name}.model", alignment.model, "models"

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
    def _images_without_labels_are_only_adapted_to(self) -> "Config":
        bare = {name for name, one in self.datasets.items() if not one.is_labelled}
        for where, dataset, section in self._references():
            if section != "datasets" or dataset not in bare:
                continue
            if where.startswith("tasks.") and where.endswith(".dataset"):
                continue
            raise ValueError(
                f"{where}: the data set {dataset!r} has no labels; a model can be adapted to it "
                "(tasks, adaptation), not trained on it or judged by it"
            )
        for name, task in self.tasks.items():
            wanted = (task.fit, task.judge, task.classes) == ("train", "train", "all")
            if task.dataset in bare and not wanted:
                raise ValueError(
                    f"tasks.{name}: the data set {task.dataset!r} has no labels, so all of its "
                    "images are fitted and answered for: set judge: train, and neither fit nor "
                    "classes"
                )
        for paper in type(self.papers).model_fields:
            settings = getattr(self.papers, paper)
            for key, name, section in settings.references() if settings else ():
                if section == "tasks" and self.tasks[name].dataset in bare:
                    raise ValueError(
                        f"papers.{paper}.{key}: the images of the task {name!r} have no labels, so "
                        "nothing can be judged on them"
                    )
        return self

    @model_validator(mode="after")
    def _entries_of_a_job_belong_together(self) -> "Config":
        firsts: dict[str, str] = {}
        for name, entry in self.adaptation.items():
            if entry.job is None:
                continue
            first = self.adaptation[firsts.setdefault(entry.job, name)]
            if entry.job in self.adaptation:
                raise ValueError(
                    f"adaptation.{name}.job: {entry.job!r} is the name of an entry; take another"
                )
            if (entry.run, entry.model, entry.compute) != (first.run, first.model, first.compute):
                raise ValueError(
                    f"adaptation.{name}.job: its start or compute is not that of "
                    f"{firsts[entry.job]!r}, which has the same job; make them equal, or leave out "
                    "job"
                )
        return self

    @model_validator(mode="after")
    def _no_data_set_waits_for_itself(self) -> "Config":
        checked = {
            name: one.leakage.apart_from for name, one in self.datasets.items() if one.leakage
        }
        if found := circle(checked):
            raise ValueError(
                f"datasets.{found[0]}.leakage.apart_from: {' -> '.join(found)} is a circle, so "
                "none can be curated first. Keep the data that trains apart from the judged, not "
                "both ways"
            )
        return self

    @model_validator(mode="after")
    def _runs_have_names_of_their_own(self) -> "Config":
        for name in self.pretraining:
            if name in self.training:
                raise ValueError(f"pretraining.{name}: a training has the same name; change one")
        return self

    @model_validator(mode="after")
    def _evaluations_can_run(self) -> "Config":
        for name, task in self.evaluation.items():
            for dataset in task.datasets:
                self._evaluation_can_run(f"evaluation.{name}", task, dataset)
        return self

    @model_validator(mode="after")
    def _texts_are_trained_where_they_are_needed(self) -> "Config":
        for name, task in self.evaluation.items():
            refused = [one for one in task.protocols if one in TEXT_PROTOCOLS]
            for run in task.runs or []:
                if refused and not self.training[run].recipe.trains_texts:
                    raise ValueError(
                        f"evaluation.{name}.protocols: {refused[0]} compares images with texts, "
                        f"and {self._untrained(run)}. Judge it by few_shot, in an evaluation of "
                        "its own"
                    )
        for name, adaptation in self.adaptation.items():
            start = adaptation.run
            if start and not self.training[start].recipe.trains_texts:
                raise ValueError(
                    f"adaptation.{name}.run: adapting starts from the texts of the classes, and "
                    f"{self._untrained(start)}. Start from another run"
                )
        return self

    def knows_texts(self, subject: Subject) -> bool:
        """Whether it can be asked what text an image is nearest to; start models can."""
        run = self.training.get(subject.name) if subject.kind == "trained" else None
        return run is None or run.recipe.trains_texts

    def _untrained(self, run: str) -> str:
        kind = self.training[run].recipe.kind
        return f"the run {run!r} (recipe {kind}) trains no text tower"

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
            read = [("texts", run.dataset)] if run.reads_captions else []
            if run.replay and "caption" in run.replay.texts.types:
                read.append(("replay.texts", run.replay.dataset))
            for key, dataset_name in read:
                if not self.datasets[dataset_name].captions:
                    raise ValueError(
                        f"training.{name}.{key}: the data set {dataset_name!r} has no captions; "
                        f"set datasets.{dataset_name}.captions or choose other text types"
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
