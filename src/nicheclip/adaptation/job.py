"""A job of the stage `adapt`: entries of the config, one start model, tasks and seeds in turn.

What is complete is kept under a key, a digest of everything that it follows from: an added task or
seed costs just itself, and a job that was killed resumes where it was. No label is among the files.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.adaptation.classify import classify
from nicheclip.adaptation.run import AdaptationRun
from nicheclip.adaptation.task_features import TaskFeatures, open_features
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.config.adaptation import Method, TrainedMethod
from nicheclip.config.training import ComputeConfig
from nicheclip.engine.launch import launch
from nicheclip.models.class_scores import SCORES_FILE, ClassScores, read_scores, write_scores
from nicheclip.models.classifier import write_classifier
from nicheclip.models.deltas import model_files, save_delta
from nicheclip.models.features import Array
from nicheclip.models.openclip import load
from nicheclip.models.pseudo_labels import PSEUDO_LABELS_FILE
from nicheclip.models.signals import (
    SIGNALS_FILE,
    read_signals,
    seed_agreements,
    signals,
    write_signals,
)
from nicheclip.runtime.files import read_json, sha256_file, write_json
from nicheclip.subjects import CLASSIFIER_FILE

#: in the folder of a result: what it follows from; written last
KEY_FILE = "key.json"
#: the methods without training, which a job of methods that train does not import
FEATURES = "nicheclip.adaptation.feature_methods"


class Entry(BaseModel):
    """One entry of the config's `adaptation`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    method: Method
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Where:
    """Files of a job, and how it computes."""

    start: Path
    """Model folder."""
    tasks: Mapping[str, Path]
    """The folder of each task."""
    models: Path
    """Receives ``<entry>/<task>/seed<n>/`` for each result."""
    run_folder: Path
    """For checkpoints."""
    log: Path
    compute: ComputeConfig
    code: str
    """Digest of the code that can change a result."""
    stop_at: float | None = None
    """Seconds since 1970."""

    @property
    def device(self) -> str:
        """On which images are encoded."""
        return "cuda" if self.compute.gpus else "cpu"


def adapt(entries: Sequence[Entry], where: Where) -> tuple[list[Path], int]:
    """Adapt the start to each task by each entry, seed by seed, and score the judged images.

    Returns:
        The files, and how many of the results were there already.

    Raises:
        InputError: a method cannot do a task; it says why.
        Interrupted: stopped on request; the same call resumes.
    """
    files: list[Path] = []
    kept = 0
    for seeds in _results(entries, where):
        for result in seeds:
            if _is_complete(result):
                kept += 1
            else:
                (result.folder / KEY_FILE).unlink(missing_ok=True)
                result.make()
                write_json(result.folder / KEY_FILE, {"key": result.key})
        _compare([result.folder for result in seeds])
        files += [path for result in seeds for path in result.files]
    return files, kept


@dataclass(frozen=True)
class _Result:
    entry: Entry
    task: str
    seed: int
    where: Where
    features: "_Features"

    @property
    def files(self) -> list[Path]:
        """What it has made, but for the model."""
        names = (CLASSIFIER_FILE, SCORES_FILE, SIGNALS_FILE, PSEUDO_LABELS_FILE)
        return [path for name in names if (path := self.folder / name).is_file()]

    @property
    def folder(self) -> Path:
        return self.where.models / self.entry.name / self.task / f"seed{self.seed}"

    @property
    def key(self) -> str:
        files = [*model_files(self.where.start), *TaskInputs(self.where.tasks[self.task]).files]
        content: list[Any] = [self.where.code, self.entry.method.model_dump(mode="json"), self.seed]
        content += [sha256_file(file) for file in files]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def make(self) -> None:
        """Adapt, and score."""
        if isinstance(self.entry.method, TrainedMethod):
            self._train()
        else:
            self._from_features()

    def _train(self) -> None:
        where, task = self.where, self.where.tasks[self.task]
        method: Any = self.entry.method
        one = AdaptationRun(
            method=method, start=where.start, task=task, seed=self.seed, output=self.folder
        )
        launch(
            one.for_engine(
                where.compute,
                run_folder=where.run_folder / self.entry.name / self.task / f"seed{self.seed}",
                log=where.log,
                code=where.code,
                stop_at=where.stop_at,
            )
        )
        judged = TaskInputs(task).judged
        threads = where.compute.cpu_threads
        self._write(*classify(self.folder, judged, device=where.device, threads=threads))

    def _from_features(self) -> None:
        features = self.features.of(self.task)
        found = import_module(FEATURES).apply(self.entry.method, features, self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        if found.classifier:
            save_delta(load(self.where.start), self.where.start, self.folder)
            write_classifier(self.folder / CLASSIFIER_FILE, found.classifier)
        self._write(found.scores, None)

    def _write(self, scores: ClassScores, adapted: Array | None) -> None:
        """``adapted``: the model's features, where they are not the start model's."""
        start = self.features.of(self.task)
        found = signals(scores, start.zero_shot, start.judged.numpy(), adapted)
        write_scores(self.folder / SCORES_FILE, scores)
        write_signals(self.folder / SIGNALS_FILE, found)


class _Features:
    """The start model's features of the task that was asked for last."""

    def __init__(self, where: Where) -> None:
        self._where, self._task = where, ""

    def of(self, task: str) -> TaskFeatures:
        """Those of ``task``."""
        if self._task != task:
            where = self._where
            inputs, threads = TaskInputs(where.tasks[task]), where.compute.cpu_threads
            self._open = open_features(where.start, inputs, device=where.device, threads=threads)
            self._task = task
        return self._open


def _results(entries: Sequence[Entry], where: Where) -> Iterator[list[_Result]]:
    """All seeds of an entry on a task; task by task, so that features serve all methods."""
    features = _Features(where)
    for task in where.tasks:
        for entry in entries:
            if task in entry.tasks:
                yield [_Result(entry, task, seed, where, features) for seed in entry.seeds]


def _compare(seeds: Sequence[Path]) -> None:
    """Add to the signals of each seed how far it agrees with the others."""
    agreements = seed_agreements([read_scores(folder / SCORES_FILE) for folder in seeds])
    for folder, agreement in zip(seeds, agreements, strict=True):
        found = read_signals(folder / SIGNALS_FILE)
        changed = found.model_copy(update={"seed_agreement": agreement})
        if changed != found:
            write_signals(folder / SIGNALS_FILE, changed)


def _is_complete(result: _Result) -> bool:
    try:
        return bool(read_json(result.folder / KEY_FILE)["key"] == result.key)
    except (OSError, ValueError, KeyError):
        return False
