"""Adaptation without labels: tasks, subjects, and the jobs, one for each method that trains (and
for those that the config puts beside it) and one for all others that have the same start.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from nicheclip.config.adaptation import Method
from nicheclip.config.backbones import BackboneConfig
from nicheclip.config.base import in_order
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.published_methods import published_options
from nicheclip.config.tasks import AdaptationConfig
from nicheclip.config.training_free import given_vision, pretrained_vision
from nicheclip.config.workflow import Config
from nicheclip.plan.alignments import Alignments, fetched, given_file
from nicheclip.subjects import Subject

#: the name of the job of all methods without training begins so; no entry of the config does
TRAINING_FREE = "_training-free-"

#: of the library
TRAINED, FEATURES = "nicheclip.adaptation.trained", "nicheclip.adaptation.feature_methods"


@dataclass(frozen=True)
class AdaptationJob:
    """Entries of `adaptation` that one job works through, all with the same start."""

    name: str
    start: Subject
    entries: Mapping[str, AdaptationConfig]
    methods: list[dict[str, Any]]
    """What its params say of each entry, and of tasks that have other options."""

    @property
    def manifest(self) -> str:
        """What it made; scores and models lie in the folders of its subjects."""
        return f"results/models/adapted/{self.name}/manifest.json"

    @property
    def tasks(self) -> list[str]:
        """All that its entries are tried on."""
        return list(dict.fromkeys(task for one in self.entries.values() for task in one.tasks))

    @property
    def modules(self) -> list[str]:
        """The modules of the library that it finds by the names of its methods."""
        kinds = dict.fromkeys(one.method.kind for one in self.entries.values() if one.trains)
        return [f"{TRAINED}.{kind}" for kind in kinds] or [FEATURES]

    @property
    def compute(self) -> ComputeConfig:
        """With what: its entries share it, or train nothing."""
        return next(iter(self.entries.values())).compute


class Starts(Protocol):
    """Knows the models that an adaptation may start from."""

    @property
    def alignments(self) -> Alignments:
        """The self-supervised image models of the config."""

    def start(self, model: str, seed: int) -> Subject:
        """A start model of the config."""

    def trained(self, run: str) -> list[Subject]:
        """The results of a training run, seed by seed."""


class Adaptations:
    """The tasks, methods and jobs of a config."""

    def __init__(self, config: Config, registry: Path, models: Starts) -> None:
        self._config, self._registry, self._models = config, registry, models

    def templates(self, task: str) -> str:
        """The file of a task's templates."""
        name = self._config.tasks[task].texts.templates
        return str(self._registry / "prompts" / f"{name}.yaml")

    def captions(self, task: str) -> list[str]:
        """The captions that a task's texts come from."""
        names = dict.fromkeys(self._config.tasks[task].caption_sets())
        return [f"results/captions/{name}/captions.parquet" for name in names]

    def descriptions(self, task: str) -> list[str]:
        """The files of others that a task's texts come from."""
        return self._config.tasks[task].description_files()

    def published_descriptions(self, task: str) -> list[str]:
        """The entries of the registry that a task's texts come from."""
        names = self._config.tasks[task].published_descriptions()
        return [str(self._registry / "descriptions" / f"{name}.yaml") for name in names]

    def registry_name(self, task: str) -> str:
        """What the registry calls a task's data set; the config's name where it has none."""
        dataset = self._config.tasks[task].dataset
        source = self._config.datasets[dataset].source
        return source.known_as(self._registry / "datasets", dataset)

    def start(self, adaptation: str) -> Subject:
        """The model that an adaptation starts from."""
        entry = self._config.adaptation[adaptation]
        if entry.run:
            return self._models.trained(entry.run)[0]
        return self._models.start(str(entry.model), self._config.seed)

    @cached_property
    def jobs(self) -> dict[str, AdaptationJob]:
        """The jobs that adapt, by name."""
        entries: dict[str, dict[str, AdaptationConfig]] = {}
        for name, one in self._config.adaptation.items():
            for job, part in _jobs_of(name, one).items():
                entries.setdefault(job, {})[name] = part
        return {
            job: AdaptationJob(
                name=job,
                start=self.start(next(iter(of))),
                entries=of,
                methods=[method for name, one in of.items() for method in self._methods(name, one)],
            )
            for job, of in entries.items()
        }

    def backbone_files(self, job: str) -> list[str]:
        """The image models that a job's methods join with its start, as runs of the config make
        them; of each its first seed.
        """
        entries = self.jobs[job].entries.values()
        names = dict.fromkeys(name for one in entries for name in pretrained_vision(one.method))
        return [file for name in names for file in self._models.alignments.trained_files(name)]

    def weights_files(self, job: str) -> list[str]:
        """The files with weights of others that a job's methods read."""
        files = [path for name, path in self.named_files() if name in self.jobs[job].entries]
        return list(dict.fromkeys(files))

    def named_files(self) -> Iterator[tuple[str, str]]:
        """(entry of the config, path) of every file with weights of others."""
        for name, one in self._given_vision():
            for path in given_file(one.weights):
                yield name, path

    def fetched_weights(self, job: str) -> list[dict[str, str]]:
        """The weights that a job may need the network for: see ``Alignments.fetched_weights``."""
        return [
            asked
            for name, one in self._given_vision()
            if name in self.jobs[job].entries
            for asked in fetched(f"adaptation.{name}", one.architecture, one.weights)
        ]

    def _given_vision(self) -> Iterator[tuple[str, BackboneConfig]]:
        """(entry, image model of others)."""
        for name, entry in self._config.adaptation.items():
            yield from ((name, one) for one in given_vision(entry.method))

    def method(self, adaptation: str, task: str) -> Method:
        """The options that an adaptation has for ``task``, published ones included."""
        entry = self._config.adaptation[adaptation]
        name = self.registry_name(task)
        given = entry.method.model_dump(exclude_unset=True)
        kind = entry.method.kind
        found = published_options(self._registry, kind, name, given) if entry.published else None
        return found or entry.method

    def _methods(self, adaptation: str, entry: AdaptationConfig) -> list[dict[str, Any]]:
        """What the params say of an entry: once for all tasks with the same options."""
        tasks: dict[str, list[str]] = {}
        options: dict[str, Any] = {}
        for task in entry.tasks:
            method = self.method(adaptation, task)
            tasks.setdefault(key := method.model_dump_json(), []).append(task)
            options[key] = in_order(method.model_dump(mode="json"))
        more = {"best_epoch": True} if entry.best_epoch else {}
        return [
            {"name": adaptation, "method": options[key], "tasks": named, "seeds": entry.seeds}
            | more
            for key, named in tasks.items()
        ]

    def subjects(self, adaptation: str, task: str) -> list[Subject]:
        """What an adaptation makes of its start for ``task``, seed by seed."""
        return [
            Subject(kind="adapted", name=f"{adaptation}/{task}", variant=f"seed{seed}")
            for seed in self._config.adaptation[adaptation].seeds
        ]

    def of_task(self, task: str) -> dict[str, list[Subject]]:
        """What is judged on ``task``, by adaptation."""
        entries = self._config.adaptation.items()
        return {name: self.subjects(name, task) for name, one in entries if task in one.tasks}

    @property
    def unlabelled(self) -> list[str]:
        """The tasks whose images nobody has labelled: they are answered for, not judged."""
        config = self._config
        return [
            name
            for name, task in config.tasks.items()
            if not config.datasets[task.dataset].is_labelled and self.of_task(name)
        ]

    def manifests(self, task: str) -> list[str]:
        """Of the jobs that adapt to ``task``."""
        return [job.manifest for job in self.jobs.values() if task in job.tasks]

    def starts_trained_on(self, task: str) -> list[str]:
        """The catalogs of other data sets that the starts of a task's methods were trained on, and
        the image models beside them.
        """
        config = self._config
        entries = [one for one in config.adaptation.values() if task in one.tasks]
        runs = [one.run for one in entries if one.run]
        datasets = dict.fromkeys(one for run in runs for one in config.datasets_of(run))
        vision = [name for one in entries for name in pretrained_vision(one.method)]
        datasets |= dict.fromkeys(config.pretraining[name].dataset for name in vision)
        judged = config.tasks[task].dataset
        return [f"results/acquire/{one}/catalog.parquet" for one in datasets if one != judged]


def _jobs_of(name: str, entry: AdaptationConfig) -> dict[str, AdaptationConfig]:
    """The jobs of an entry, with the tasks that each has of it; no entry has a plus in its name."""
    if not entry.trains:
        return {f"{TRAINING_FREE}{entry.run or entry.model}": entry}
    if not entry.side_by_side:
        return {entry.job or name: entry}
    return {f"{name}+{task}": entry.model_copy(update={"tasks": [task]}) for task in entry.tasks}
