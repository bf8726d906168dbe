"""One result of the stage `adapt`: how it is made, and what it follows from."""

import hashlib
import json
import shutil
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from nicheclip.adaptation.classify import classify
from nicheclip.adaptation.entries import Entry, Where
from nicheclip.adaptation.task_features import TaskFeatures
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.config.adaptation import TrainedMethod
from nicheclip.data.task_files import BATCHES, batch_folders
from nicheclip.engine.launch import launch
from nicheclip.engine.records import REPORT
from nicheclip.models.class_scores import SCORES_FILE, ClassScores, join_batches, write_scores
from nicheclip.models.classifier import write_classifier
from nicheclip.models.deltas import model_files, save_delta
from nicheclip.models.features import Array
from nicheclip.models.openclip import Clip, load
from nicheclip.models.pseudo_labels import (
    EPOCH_ANSWERS_FILE,
    PSEUDO_LABELS_FILE,
    write_pseudo_labels,
)
from nicheclip.models.signals import SIGNALS_FILE, Signals, mean_signals, signals, write_signals
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.runtime.progress import progress
from nicheclip.subjects import CLASSIFIER_FILE

#: in the run folder of a result: the state after each epoch, until it has answered
EPOCHS = "epochs"
#: the methods without training, which a job of methods that train does not import
FEATURES = "nicheclip.adaptation.feature_methods"


@dataclass(frozen=True)
class Result:
    """What an entry makes for a task with one seed."""

    entry: Entry
    task: str
    seed: int
    where: Where
    features: "Features"

    @property
    def files(self) -> list[Path]:
        """What it has made, but for the model."""
        names = (
            CLASSIFIER_FILE,
            SCORES_FILE,
            SIGNALS_FILE,
            PSEUDO_LABELS_FILE,
            EPOCH_ANSWERS_FILE,
        )
        return [path for name in names if (path := self.folder / name).is_file()]

    @property
    def folder(self) -> Path:
        """Receives it."""
        return self.where.models / self.entry.name / self.task / f"seed{self.seed}"

    @property
    def batches(self) -> list[Path]:
        """The folders of the task's batches; none where its images come all at once."""
        return batch_folders(self.where.tasks[self.task])

    @property
    def key(self) -> str:
        """A digest of everything that it follows from."""
        tasks = [self.where.tasks[self.task], *self.batches]
        files = [file for task in tasks for file in TaskInputs(task).files]
        content: list[Any] = [self.where.code, self.entry.method.model_dump(mode="json"), self.seed]
        content += ["best epoch"] * self.entry.best_epoch
        files += self.where.vision_files(self.entry.method)
        content += [sha256_file(file) for file in [*model_files(self.where.start), *files]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def make(self) -> None:
        """Adapt, and score; of batches, each alone, the scores are all that is kept."""
        run_folder = self.where.run_folder / self.entry.name / self.task / f"seed{self.seed}"
        batches = self.batches
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / EPOCH_ANSWERS_FILE).unlink(missing_ok=True)
        if not batches:
            scores, found = self._adapted(self.where.tasks[self.task], self.folder, run_folder)
        else:
            parts, each = [], []
            for batch in progress(batches, label="adapt to batches", total=len(batches)):
                own = run_folder / BATCHES / batch.name
                scores, found = self._adapted(batch, own / "model", own / "run")
                parts.append(scores)
                each.append(found)
                shutil.rmtree(own, ignore_errors=True)
            scores, found = join_batches(parts), mean_signals(each)
        write_scores(self.folder / SCORES_FILE, scores)
        write_signals(self.folder / SIGNALS_FILE, found)

    def _adapted(self, task: Path, output: Path, run_folder: Path) -> tuple[ClassScores, Signals]:
        adapted: Array | None = None
        if isinstance(self.entry.method, TrainedMethod):
            scores, adapted = self._train(task, output, run_folder)
        else:
            scores = self._from_features(task, output)
        start = self.features.of(task)
        return scores, signals(scores, start.zero_shot, start.judged.numpy(), adapted)

    def _train(self, task: Path, output: Path, run_folder: Path) -> tuple[ClassScores, Array]:
        """The scores, and the adapted model's features."""
        # what the engine imports takes a second and a half, and methods without training need none
        from nicheclip.adaptation.each_epoch import epoch_answers
        from nicheclip.adaptation.run import AdaptationRun

        where, method = self.where, cast(Any, self.entry.method)
        states = run_folder / EPOCHS if self.entry.best_epoch else None
        one = AdaptationRun(
            method=method,
            start=where.start,
            seed=self.seed,
            output=output,
            each_epoch=states,
        )
        launch(
            one.as_task(
                where.compute,
                data=task,
                run_folder=run_folder,
                log=where.log,
                code=where.code,
                stop_at=where.stop_at,
            )
        )
        judged = TaskInputs(task).judged
        threads = where.compute.cpu_threads
        if states:
            fingerprint = read_json(output / REPORT)["fingerprint"]
            answers = epoch_answers(
                states, fingerprint, method.epochs, judged, device=where.device, threads=threads
            )
            write_pseudo_labels(output / EPOCH_ANSWERS_FILE, answers)
        return classify(output, judged, device=where.device, threads=threads)

    def _from_features(self, task: Path, output: Path) -> ClassScores:
        found = import_module(FEATURES).apply(self.entry.method, self.features.of(task), self.seed)
        if found.classifier:
            output.mkdir(parents=True, exist_ok=True)
            save_delta(load(self.where.start), self.where.start, output)
            write_classifier(output / CLASSIFIER_FILE, found.classifier)
        scores: ClassScores = found.scores
        return scores


class Features:
    """The start model's features of one task and its batches, for all methods."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._open: dict[Path, TaskFeatures] = {}
        self._backbones: dict[Hashable, Any] = {}

    @cached_property
    def _clip(self) -> Clip:
        """One for all tasks and batches."""
        return load(self._where.start)

    def of(self, task: Path) -> TaskFeatures:
        """Those of the task in the folder ``task``."""
        if task not in self._open:
            device, threads = self._where.device, self._where.compute.cpu_threads
            self._open[task] = TaskFeatures(
                self._clip,
                TaskInputs(task),
                device=device,
                threads=threads,
                backbones=self._where.backbones,
                loaded=self._backbones,
            )
        return self._open[task]

    def forget(self) -> None:
        """Free the memory, before another task."""
        self._open.clear()
