"""The plan: built once from the config; rules ask who is judged, by what, from which files."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from nicheclip.config.evaluation import LEARNS_FROM, TEXT_PROTOCOLS, EvaluationConfig
from nicheclip.config.text_sets import CaptionSet, GallerySet, TemplateSet, TextSet, text_sets
from nicheclip.plan.adaptations import Adaptations
from nicheclip.plan.alignments import Alignments
from nicheclip.plan.cells import Cell
from nicheclip.plan.input_files import InputFiles
from nicheclip.plan.subject_jobs import SubjectJob
from nicheclip.subjects import COLOUR_HISTOGRAM, PRETRAINED, Kind, Subject

Item = TypeVar("Item")


class Plan(InputFiles):
    """The grid of a config, and the files of its jobs."""

    # --- models ---

    def model_sources(self, model: str) -> list[str]:
        """Files that a start model is made of: our own architecture, a checkpoint on disk."""
        config = self.config.models[model]
        architecture = self.registry / "models" / f"{config.architecture}.json"
        weights = config.weights_file()
        return [str(path) for path in (architecture, weights) if path and path.is_file()]

    def start(self, model: str, seed: int) -> Subject:
        """The start model ``model``; random weights come from ``seed``."""
        pretrained = self.config.models[model].pretrained is not None
        variant = PRETRAINED if pretrained else f"seed{seed}"
        return Subject(kind="start", name=model, variant=variant)

    def starts(self, run: str) -> list[Subject]:
        """What a training run starts from: one model, or one for each seed."""
        return unique(self.start_of(run, seed) for seed in self.config.training[run].seeds)

    def start_of(self, run: str, seed: int) -> Subject:
        """What one seed of a training run starts from."""
        training = self.config.training[run]
        if training.start_from:
            return self.trained(training.start_from)[0]
        return self.start(training.model, seed)

    def trained(self, run: str) -> list[Subject]:
        """The results of a training run, seed by seed."""
        seeds = self.config.training[run].seeds
        return [Subject(kind="trained", name=run, variant=f"seed{seed}") for seed in seeds]

    def histories(self, run: str) -> dict[str, str]:
        """The curves of a training or a self-supervised run, by seed."""
        if run in self.config.training:
            seeds, folders = self.config.training[run].seeds, [s.folder for s in self.trained(run)]
        else:
            seeds, folders = self.config.pretraining[run].seeds, self.alignments.backbones(run)
        named = zip(seeds, folders, strict=True)
        return {f"seed {seed}": f"{folder}/history.csv" for seed, folder in named}

    @cached_property
    def alignments(self) -> Alignments:
        """What is trained without texts, and aligned to a CLIP."""
        return Alignments(self.config, self)

    @cached_property
    def adaptations(self) -> Adaptations:
        """What is adapted without labels."""
        return Adaptations(self.config, self.registry, self)

    # --- the grid ---

    @cached_property
    def judged(self) -> dict[str, EvaluationConfig]:
        """Whatever judges: evaluations, and as such the tasks of adaptation that have labels."""
        config = self.config
        tasks = {
            name: task.evaluation()
            for name, task in config.tasks.items()
            if config.datasets[task.dataset].is_labelled
        }
        return {**self.config.evaluation, **tasks}

    def runs(self, evaluation: str, dataset: str) -> list[str]:
        """The training runs that an evaluation judges on ``dataset``."""
        chosen = self.config.evaluation[evaluation].runs
        if chosen is not None:
            return list(chosen)
        runs = self.config.training.items()
        return [run for run, training in runs if training.dataset == dataset]

    def subjects(self, evaluation: str, dataset: str) -> list[Subject]:
        """The models that an evaluation judges on ``dataset``: each run's start and result, start
        models without any training, and aligned models.
        """
        runs = self.runs(evaluation, dataset)
        judged = [s for run in runs for s in (*self.starts(run), *self.trained(run))]
        untrained = self.config.evaluation[evaluation].models
        judged += [self.start(model, self.config.seed) for model in untrained]
        return unique(
            [*judged, *map(self.alignments.result, self.config.evaluation[evaluation].aligned)]
        )

    def cells(self, evaluation: str) -> list[Cell]:
        """Everything that an evaluation, or a task, judges; baselines last."""
        task = self.judged[evaluation]
        if evaluation in self.config.tasks:
            return [
                Cell(subject, evaluation, str(task.dataset), task.split, task.protocols[0])
                for subjects in self.adaptations.of_task(evaluation).values()
                for subject in subjects
            ]
        cells = []
        for dataset in task.datasets:
            cells += [
                Cell(subject, evaluation, dataset, task.split, protocol)
                for subject in self.subjects(evaluation, dataset)
                for protocol in task.protocols
                if protocol not in TEXT_PROTOCOLS or self.config.knows_texts(subject)
            ]
            if task.baseline:
                name = COLOUR_HISTOGRAM.name
                cells.append(Cell(COLOUR_HISTOGRAM, evaluation, dataset, task.split, name))
        return cells

    def all_cells(self) -> list[Cell]:
        """The cells of every evaluation and task."""
        return [cell for evaluation in self.judged for cell in self.cells(evaluation)]

    @cached_property
    def subject_jobs(self) -> dict[str, SubjectJob]:
        """The jobs that judge, by their folder."""
        cells: dict[SubjectJob, list[Cell]] = {}
        learnt: dict[SubjectJob, list[Subject]] = {}
        for evaluation in self.config.evaluation:
            for cell in self.cells(evaluation):
                subject = cell.subject
                job = SubjectJob(cell.dataset, cell.split, subject.kind, subject.name, ())
                cells.setdefault(job, []).append(cell)
                if split := LEARNS_FROM.get(cell.protocol):
                    learnt.setdefault(replace(job, split=split), []).append(subject)
        return {
            job.folder: replace(
                job, cells=tuple(cells.get(job, ())), learnt=tuple(learnt.get(job, ()))
            )
            for job in [*cells, *learnt]
        }

    def subject_job(self, dataset: str, split: str, kind: Kind, name: str) -> SubjectJob:
        """The job that judges a subject's variants on a split; it has no cells if none is asked."""
        empty = SubjectJob(dataset, split, kind, name, ())
        return self.subject_jobs.get(empty.folder, empty)

    def options(self, evaluation: str, dataset: str, protocol: str) -> dict[str, Any]:
        """What a protocol uses of an evaluation on ``dataset``, as plain values."""
        return self.config.evaluation[evaluation].on(dataset).options(protocol)

    def requests(self, job: SubjectJob) -> list[dict[str, Any]]:
        """What a job is to judge, as plain values: see ``evaluation.requests``."""
        variants: dict[tuple[str, str], list[str]] = {}
        for cell in job.cells:
            variants.setdefault((cell.evaluation, cell.protocol), []).append(cell.subject.variant)
        return [
            {
                "evaluation": evaluation,
                "protocol": protocol,
                "variants": judged,
                "options": self.options(evaluation, job.dataset, protocol),
            }
            for (evaluation, protocol), judged in variants.items()
        ]

    def seen_files(self, options: Iterable[Mapping[str, Any]], kind: str) -> list[str]:
        """The acquire output ``kind`` of the data sets that decide which classes are seen.

        Args:
            options: of protocols.
            kind: a file's name.
        """
        datasets = unique(one["seen_in"] for one in options if one.get("seen_in"))
        return [f"results/acquire/{dataset}/{kind}" for dataset in datasets]

    def text_sets(self, job: SubjectJob) -> list[TextSet]:
        """What a job's protocols need of the text side."""
        return unique(
            one
            for evaluation, protocol in job.tasks
            for one in text_sets(protocol, self.config.evaluation[evaluation].on(job.dataset))
        )

    def template_files(self, job: SubjectJob) -> list[str]:
        """The templates of a job's text sets."""
        sets = self.text_sets(job)
        names = unique(one.templates for one in sets if isinstance(one, TemplateSet))
        return [str(self.registry / "prompts" / f"{name}.yaml") for name in names]

    def caption_files(self, job: SubjectJob) -> list[str]:
        """The captions of a job's text sets."""
        names = unique(one.captions for one in self.text_sets(job) if isinstance(one, CaptionSet))
        return [f"results/captions/{name}/captions.parquet" for name in names]

    def gallery_captions(self, job: SubjectJob) -> list[str]:
        """The captions that a job's retrieval chooses from."""
        retrieves = any(isinstance(one, GallerySet) for one in self.text_sets(job))
        return self.own_captions(job.dataset, (job.split,)) if retrieves else []

    def protocol_modules(self, job: SubjectJob) -> list[str]:
        """The modules of the library that a job finds by the names of its protocols."""
        return [f"nicheclip.evaluation.protocols.{protocol}" for protocol in job.protocols]

    def image_features(self, dataset: str, split: str, subject: Subject) -> str:
        """The file of a subject's image features, beside the manifest of its job."""
        manifest = Path(self.subject_job(dataset, split, subject.kind, subject.name).features)
        return (manifest.parent / subject.variant / "images.safetensors").as_posix()

    def trained_on(self, job: SubjectJob) -> list[str]:
        """The catalogs of the data sets that a job's subject was trained on, if they are others."""
        config, datasets, run = self.config, [], None
        if job.kind == "trained":
            run = job.name
        elif job.kind == "aligned":
            entry = config.alignment[job.name]
            datasets = [entry.dataset]
            if entry.pretraining:
                datasets.append(config.pretraining[entry.pretraining].dataset)
            run = entry.run
        if run:
            datasets += config.datasets_of(run)
        others = [one for one in unique(datasets) if one != job.dataset]
        return [f"results/acquire/{one}/catalog.parquet" for one in others]

    def learnt_from(self, job: SubjectJob) -> list[str]:
        """The features of the other splits that protocols of a job learn from."""
        splits = unique(LEARNS_FROM[one] for one in job.protocols if one in LEARNS_FROM)
        return [
            self.subject_job(job.dataset, split, job.kind, job.name).features
            for split in sorted(splits)
        ]

    def folds(self, job: SubjectJob) -> list[str]:
        """The support sets of a job's few-shot evaluations."""
        tasks = [evaluation for evaluation, protocol in job.tasks if protocol == "few_shot"]
        return [f"results/folds/{evaluation}/{job.dataset}.parquet" for evaluation in tasks]


def unique(items: Iterable[Item]) -> list[Item]:
    """``items`` without repeats, in their order."""
    return list(dict.fromkeys(items))
