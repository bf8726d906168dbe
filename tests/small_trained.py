"""Methods that train, on a tiny CLIP and a few coloured squares."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from pydantic import TypeAdapter
from torch.nn.functional import normalize

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.run import AdaptationRun, fit
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained import base
from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.adaptation.trained.views import ViewReader, Wanted
from nicheclip.config.adaptation import Method
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.objective import Step
from nicheclip.engine.processes import Processes
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.classifier import read_classifier
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import Clip, load, open_clip, save
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.files import sha256_file
from small_training import tiny_clip, write_squares

NAMES = ("Red thing", "Green thing", "Blue thing")
DESCRIPTIONS = (
    ("A red square.", "It is red like a cherry."),
    ("A green square.",),
    ("A blue square.", "It is blue.", "The sea is of this colour."),
)


class Task:
    """A start model, ``images`` unlabelled images of three classes, and their texts."""

    def __init__(self, folder: Path, images: int = 13, architecture: str = "tiny"):
        self.folder = folder
        write_squares(folder / "squares", train=images, val=2, captions=False)
        (folder / "squares/train/labels.arrow").unlink()  # no method may look for it
        self.images = ImageSet(folder / "squares/train")
        self.start = folder / "start"
        save(spread(tiny_clip(folder, architecture), self.images), self.start)
        self.texts = task_texts(self.start)

    def objective(self, kind: str, seed: int = 0, **changes):
        """The objective of the method ``kind``."""
        module = import_module(f"nicheclip.adaptation.trained.{kind}")
        options = method(kind, **changes)
        return module.OBJECTIVE(
            options, start=self.start, images=self.images, texts=self.texts, seed=seed
        )

    def fit(self, folder: Path, kind: str, *, seed: int = 0, every_step: bool = False, **changes):
        """Run the method; with ``every_step`` a checkpoint follows each step."""
        seconds = 1e-9 if every_step else 600.0
        return fit(
            run_of(kind, self.start, folder, seed=seed, **changes),
            images=self.images,
            texts=self.texts,
            run_folder=folder / "run",
            compute=ComputeConfig(log_every_steps=1, checkpoint_seconds=seconds),
        )


def spread(clip: Clip, images: ImageSet) -> Clip:
    """``clip`` without what all images, and all texts, share: random weights tell little apart."""
    views = ViewReader(images, ViewSettings.of(clip), Wanted(), seed=0)
    batch = views.read(BatchPlan(0, 0, np.arange(len(images))))
    words = clip.tokenizer([sentence for one in DESCRIPTIONS for sentence in one])
    model, found = clip.model, {}
    model.ln_final.register_forward_hook(lambda m, i, out: found.update(texts=out.mean(dim=(0, 1))))
    with torch.no_grad():
        model.encode_text(words)
        found["images"] = VisualTower(clip).eval()(batch["plain"]).cls.mean(dim=0)
        for what, projection in (("texts", model.text_projection), ("images", model.visual.proj)):
            shared = normalize(found[what], dim=0)
            projection -= torch.outer(shared, shared @ projection)
    model.ln_final._forward_hooks.clear()
    return clip


def method(kind: str, **changes):
    """The options of a method: two epochs in batches of four, unless changed."""
    settings = {"kind": kind, "epochs": 2, "batch_size": 4}
    return TypeAdapter(Method).validate_python(settings | changes)


def run_of(kind: str, start: Path, folder: Path, *, seed: int = 0, **changes) -> AdaptationRun:
    """A run of the method whose result goes to ``folder/out``."""
    return AdaptationRun(
        method=method(kind, **changes), start=start, seed=seed, output=folder / "out"
    )


def task_texts(start: Path, names=NAMES, descriptions=DESCRIPTIONS, **changes) -> TaskTexts:
    """The texts of a task by the model in ``start``."""
    clip = load(start)
    parts = [
        torch.tensor(encode_texts(clip, list(one), EncodeSettings(batch_size=8)).features)
        for one in descriptions
    ]
    changes = {"templates": ("a photo of a {}.", "a drawing of a {}.")} | changes
    ids = tuple("abcdefgh"[: len(names)])
    return TaskTexts(ids, ClassTexts.of(names, parts), **changes)


def digests(folder: Path) -> dict[str, str]:
    """Checksums of what a run made."""
    names = ("changed.safetensors", "classifier.safetensors", "history.csv")
    return {name: sha256_file(folder / "out" / name) for name in names}


def classifier(folder: Path):
    """The classifier that a run wrote."""
    return read_classifier(folder / "out/classifier.safetensors")


def fit_as_one_of_two(task: Path, folder: Path, kind: str, **options) -> None:
    """What ``Task.fit`` does, of the task in a folder, as one of two processes."""
    fit(
        run_of(kind, task / "start", folder, **options),
        images=ImageSet(task / "squares/train"),
        texts=task_texts(task / "start"),
        run_folder=folder / "run",
        compute=ComputeConfig(nodes=2),
    )


class KilledError(Exception):
    """Ends a run within a step, after the last checkpoint."""


def kill_at(monkeypatch, objective_class, step: int):
    """Let runs end after the optimiser's step ``step``, before its checkpoint."""
    original = objective_class.after_step

    def after_step(self, at):
        original(self, at)
        if at.step == step:
            raise KilledError

    monkeypatch.setattr(objective_class, "after_step", after_step)


def check_resumes(task: Task, tmp_path: Path, monkeypatch, kind: str, *, steps, **changes):
    """The same seed gives the same bytes, unbroken or killed after each of ``steps``."""
    task.fit(tmp_path / "one", kind, **changes)
    expected = digests(tmp_path / "one")
    for step in steps:
        folder = tmp_path / f"killed {step}"
        with monkeypatch.context() as patch:
            kill_at(patch, type(task.objective(kind, **changes)), step)
            with pytest.raises(KilledError):
                task.fit(folder, kind, every_step=True, **changes)
        report = task.fit(folder, kind, **changes)
        assert report.resumed_at_steps == ([step] if step else [])
        assert digests(folder) == expected
    return tmp_path / "one"


def trained_names(objective) -> set[str]:
    """Parameters that train from the first epoch."""
    return {name for group in objective.trainable(0) for name in group.names}


def count(objective) -> int:
    """Numbers in these parameters."""
    parameters = dict(objective.module.named_parameters())
    return sum(parameters[name].numel() for name in trained_names(objective))


def on_vit_b_32(task: Task, monkeypatch, kind: str, classes: int = 10, **changes):
    """The objective on the real architecture of ViT-B/32, without numbers in its weights."""
    name = "ViT-B-32-quickgelu"
    model = open_clip.create_model(name, device="meta")
    real = Clip(model, open_clip.get_tokenizer(name), open_clip.get_model_config(name))
    names = [f"class {row}" for row in range(classes)]
    texts = ClassTexts.of(names, list(unit(classes, 1, 512).float()))
    monkeypatch.setattr(base, "load", lambda start: real)
    monkeypatch.setattr(base.AdaptationObjective, "prompts", lambda self: texts)
    monkeypatch.setattr(task, "texts", TaskTexts(tuple(names), texts))
    return task.objective(kind, logit_scale=100.0, **changes)


def unit(*shape, seed=0):
    """Random rows of length 1, float64."""
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def one_step(objective, batch) -> dict[str, torch.Tensor]:
    """The terms of the loss on ``batch``, after it has run backward; only what trains has
    gradients, as in a run."""
    module, trains = objective.module, trained_names(objective)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in trains)
    for held in objective.held.values():
        held.requires_grad_(False).eval()
    length = len(batch["rows"])
    step = Step(0, 10, 0, (length,), one_process())
    terms = objective.losses(module.train()(batch), batch, step)
    terms["loss"].backward()
    return dict(terms)


def reached(objective) -> set[str]:
    """The parameters that the last step has given a gradient other than zero."""
    parameters = objective.module.named_parameters()
    return {name for name, p in parameters if p.grad is not None and bool(p.grad.any())}


def one_process() -> Processes:
    """This one, on the CPU."""
    return Processes(Fabric(accelerator="cpu", devices=1))
