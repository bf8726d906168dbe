"""A small task without labels: a tiny CLIP, coloured squares, and texts of three classes."""

import os
import signal
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

from fork_server import start, start_two, statuses
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.run import AdaptationRun, fit
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.adaptation import FairMethod
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from small_training import NAMES, start_model, write_squares

DESCRIPTIONS = {
    "Red thing": ["a red square, seen from above.", "it is red.", "a thing of red colour."],
    "Green thing": ["a green square.", "it is green like grass."],
    "Blue thing": ["a blue square.", "a thing that is blue.", "blue.", "the sea."],
}
DETAILS = {"Red thing": ["warm"], "Green thing": ["like a leaf", "fresh"], "Blue thing": []}


@dataclass(frozen=True)
class SmallTask:
    """What a method is given, in a folder of its own."""

    folder: Path

    @property
    def start(self) -> Path:
        return self.folder / "start"

    @property
    def images(self) -> ImageSet:
        return ImageSet(self.folder / "squares/train")

    @property
    def texts(self) -> TaskTexts:
        return small_texts(self.start)


def small_texts(start: Path) -> TaskTexts:
    clip = load(start)

    def encoded(sentences):
        if not sentences:
            return torch.zeros(0, clip.model_config["embed_dim"])
        return torch.tensor(encode_texts(clip, sentences, EncodeSettings(batch_size=8)).features)

    names = list(NAMES.values())
    return TaskTexts(
        class_ids=tuple(NAMES),
        descriptions=ClassTexts.of(names, [encoded(DESCRIPTIONS[name]) for name in names]),
        details=ClassTexts.of(names, [encoded(DETAILS[name]) for name in names]),
    )


def small_task(folder: Path, *, images: int = 20, architecture: str = "tiny") -> SmallTask:
    """Write a task whose images have no file of labels."""
    write_squares(folder / "squares", train=images, val=4)
    (folder / "squares/train/labels.arrow").unlink()
    start_model(folder, architecture)
    return SmallTask(folder)


def fair(**changes) -> FairMethod:
    """Three quick epochs."""
    settings = {"kind": "fair", "epochs": 3, "batch_size": 8, "crops": 3, "top_crops": 2}
    settings |= {"optimizer": {"lr": 1e-2, "weight_decay": 0.1, "betas": [0.9, 0.999]}}
    return FairMethod.model_validate(settings | changes)


def adapt(task: SmallTask, folder: Path, options, *, seed: int = 0, **more):
    """Run a method to the end; returns its report."""
    return fit(
        AdaptationRun(method=options, start=task.start, seed=seed, output=folder / "out"),
        images=task.images,
        texts=task.texts,
        run_folder=folder / "run",
        **more,
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What a run gave, but for its report, which holds times."""
    return {p.name: p.read_bytes() for p in (folder / "out").iterdir() if p.name != "train.json"}


def adapt_killed(task: SmallTask, folder: Path, options, at_step: int) -> None:
    """Run a method in a process that is killed after ``at_step`` steps, each with a checkpoint."""
    objective = import_module(f"nicheclip.adaptation.trained.{options.kind}").OBJECTIVE
    original = objective.after_step

    def after_step(self, step):
        original(self, step)
        if step.step + 1 == at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    objective.after_step = after_step
    adapt(task, folder, options, compute=ComputeConfig(checkpoint_seconds=1e-9))


def killed(task: SmallTask, folder: Path, options, *, at_step: int) -> None:
    """A run that is killed after ``at_step`` steps."""
    folder.mkdir()
    errors = folder / "errors.txt"
    one = start(adapt_killed, task, folder, options, at_step, errors=errors)
    assert statuses([one]) == [-signal.SIGKILL], errors.read_text()


def in_two_processes(task: SmallTask, folder: Path, options) -> None:
    """A run of two processes, to its end."""
    folder.mkdir()
    compute = ComputeConfig(checkpoint_seconds=1e-9, nodes=2)
    ranks = start_two(adapt, task, folder, options, folder=folder, compute=compute)
    errors = [(folder / f"errors-{rank}.txt") for rank in (0, 1)]
    assert statuses(ranks) == [0, 0], [file.read_text() for file in errors]
