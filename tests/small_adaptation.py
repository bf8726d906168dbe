"""A small task without labels: a tiny CLIP, coloured squares, and texts of three classes."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.fit import fit
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.adaptation import FairMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.models.encode import encode_texts
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
        return torch.tensor(encode_texts(clip, sentences, batch_size=8).features)

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
        options,
        start=task.start,
        images=task.images,
        texts=task.texts,
        seed=seed,
        output=folder / "out",
        run_folder=folder / "run",
        **more,
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What a run gave, but for its report, which holds times."""
    return {p.name: p.read_bytes() for p in (folder / "out").iterdir() if p.name != "train.json"}


def process(task: SmallTask, folder: Path, options, *, at_step=0, rank=0, world=1):
    """A run in a process of its own, killed after ``at_step`` steps, or one of ``world``."""
    program = [sys.executable, str(Path(__file__).parent / "adaptation_process.py")]
    arguments = [str(task.folder), str(folder), options.model_dump_json(), str(at_step), str(world)]
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": path}
    if world > 1:
        port = str(29000 + os.getpid() % 1000)
        environment |= {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment |= {"RANK": str(rank), "GROUP_RANK": str(rank), "LOCAL_RANK": "0"}
    return subprocess.Popen(
        [*program, *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


def killed(task: SmallTask, folder: Path, options, *, at_step: int) -> None:
    """A run that is killed after ``at_step`` steps."""
    one = process(task, folder, options, at_step=at_step)
    _, errors = one.communicate()
    assert one.returncode == -signal.SIGKILL, errors


def in_two_processes(task: SmallTask, folder: Path, options) -> None:
    """A run of two processes, to its end."""
    ranks = [process(task, folder, options, rank=rank, world=2) for rank in (0, 1)]
    ends = [(rank.communicate()[1], rank.returncode) for rank in ranks]
    assert all(status == 0 for _, status in ends), ends
