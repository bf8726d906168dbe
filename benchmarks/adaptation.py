"""Seconds of an epoch of FAIR, beside a literal loop over crops and beside its bound.

``PYTHONPATH=src python benchmarks/adaptation.py [IMAGES [EDGE [CROPS [MODEL]]]]`` prints one table;
seconds of processor time, one thread. The three take turns in one process, and the table gives the
best turn of each, so that other work on the machine does not count.

literal  every crop alone, as one would write it down: Pillow cuts and resizes it, it becomes a
         normalised tensor, and goes through the model by itself, without gradient
bound    the same passes through the model as FAIR's, on batches that are in memory
"""

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch.nn.functional import cross_entropy, normalize

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.run import AdaptationRun, fit
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained import fair
from nicheclip.adaptation.trained.fair import OBJECTIVE
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import FairMethod
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.models import ModelConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.data.image_tars import ImageTars
from nicheclip.data.split_files import SplitWriter, placed_images
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import Epoch, Step
from nicheclip.engine.processes import join_processes
from nicheclip.engine.sampling import Sampling
from nicheclip.models.openclip import create, save
from nicheclip.models.square_crops import square_boxes

REGISTRY = Path(__file__).parent.parent / "workflow/registry/models"
CLASSES, TURNS = 12, 3


def write_images(folder: Path, count: int, edge: int) -> ImageSet:
    """Photograph-like noise of ``edge`` x ``edge`` pixels."""
    folder.mkdir(parents=True)
    rows, path = [], folder / "00000.tar"
    with ImageTars([path], folder) as images:
        for number in range(count):
            coarse = np.random.default_rng(number).integers(0, 255, (10, 10, 3), dtype=np.uint8)
            encoded = io.BytesIO()
            noise = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
            noise.save(encoded, "JPEG")
            images.add(f"{number:016x}", encoded.getvalue())
            rows.append({"image_id": f"{number:016x}", "class_id": "a"})
        places = images.finish()
    frame = pl.DataFrame(rows).with_columns(
        tar=pl.lit(0, pl.Int32),
        offset=pl.Series(places.offset, dtype=pl.Int64),
        size=pl.Series(places.size, dtype=pl.Int32),
    )
    with SplitWriter(folder / "train", classes=["a"], tars=["../00000.tar"]) as writer:
        writer.add(placed_images(frame.sort("offset"), pl.Enum(["a"]), 0))
    return ImageSet(folder / "train")


def epoch_of(objective: OBJECTIVE) -> Sampling:
    """The order of the images."""
    return Sampling(tuple(objective.shard_sizes), objective.options.batch_size, objective.seed)


def optimizer_of(objective: OBJECTIVE) -> torch.optim.Optimizer:
    """AdamW over what FAIR trains; the rest has no gradients."""
    objective.module.requires_grad_(False)
    parameters = dict(objective.module.named_parameters())
    for name in objective.module.trained():
        parameters[name].requires_grad_(True)
    return torch.optim.AdamW([p for p in parameters.values() if p.requires_grad], lr=1e-4)


def literal(objective: OBJECTIVE) -> float:
    """Seconds of an epoch, a crop at a time."""
    options, module, sampling = objective.options, objective.module, epoch_of(objective)
    optimizer, tower = optimizer_of(objective), module.tower
    reader = replace(objective.reader, wanted=Wanted(strong=options.strong))
    height, width = reader.settings.size
    begun = time.process_time()
    for plan in sampling.plans(0, sampling.batches):
        labels, strong = [], []
        anchors = normalize(module.anchors, dim=1)
        for row, encoded in zip(
            plan.indices, objective.images.read_many(plan.indices), strict=True
        ):
            image = Image.open(io.BytesIO(encoded.encoded)).convert("RGB")
            views = reader.read(plan._replace(indices=np.array([row])))
            strong.append(views["strong"])
            random = np.random.default_rng(0)
            boxes = square_boxes(image.size, random, count=options.crops, side=options.crop_side)
            with torch.no_grad():
                whole = tower(views["plain"])
                weights, scores = [], []
                for left, top, edge in boxes:
                    crop = image.crop((left, top, left + edge, top + edge))
                    crop = crop.resize((width, height), Image.Resampling.BICUBIC)
                    pixels = torch.from_numpy(np.array(crop).transpose(2, 0, 1))
                    found = tower(pixels[None])
                    weights.append(torch.cosine_similarity(whole.cls, found.cls)[0])
                    scores.append(found.features[0] @ anchors.T)
                best = torch.stack(weights).topk(options.top_crops).indices.tolist()
                labels.append(sum(weights[i] * scores[i] for i in best).argmax())
        logits = objective.logit_scale * tower(torch.cat(strong)).features @ anchors.T
        fairness = -logits.softmax(dim=1).mean(dim=0).log().mean()
        (cross_entropy(logits, torch.stack(labels)) + fairness).backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.process_time() - begun


def bound(objective: OBJECTIVE, batches: list[Batch]) -> float:
    """Seconds of an epoch's passes on batches in memory."""
    optimizer = optimizer_of(objective)
    processes = join_processes(ComputeConfig(), "32-true")
    begun = time.process_time()
    for number, batch in enumerate(batches):
        step = Step(number, len(batches), 0, (len(batch["rows"]),), processes)
        objective.losses(objective.module(batch), batch, step)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.process_time() - begun


def ours(options: FairMethod, given: dict[str, Any], folder: Path) -> float:
    """Seconds of an epoch of ``fit``, from where it begins to where it ends."""
    times: list[float] = []

    class Timed(OBJECTIVE):
        def begin_epoch(self, epoch: Epoch) -> None:
            times.append(time.process_time())
            super().begin_epoch(epoch)

        def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
            times.append(time.process_time())
            return super().end_epoch(epoch)

    fair.OBJECTIVE = Timed
    try:
        one = AdaptationRun(
            method=options, start=given["start"], seed=given["seed"], output=folder / "out"
        )
        fit(one, images=given["images"], texts=given["texts"], run_folder=folder / "run")
    finally:
        fair.OBJECTIVE = OBJECTIVE
    return times[1] - times[0]


def main() -> None:
    """Measure and print."""
    given = [int(value) for value in sys.argv[1:4]]
    count, edge, crops = given + [300, 48, 8][len(given) :]
    model = sys.argv[4] if len(sys.argv) > 4 else "nicheclip-small-48"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        images = write_images(folder / "images", count, edge)
        clip = create(ModelConfig(architecture=model), seed=0, registry=REGISTRY)
        save(clip, folder / "start")
        names = [f"class {number}" for number in range(CLASSES)]
        features = normalize(torch.randn(CLASSES, clip.model_config["embed_dim"]), dim=1)
        texts = TaskTexts(tuple(names), ClassTexts.of(names, features.split(1)))
        options = FairMethod(kind="fair", epochs=1, crops=crops, top_crops=crops // 2)
        given_to = {"start": folder / "start", "images": images, "texts": texts, "seed": 0}
        objective = OBJECTIVE(options, **given_to)
        sampling = epoch_of(objective)
        begun = time.process_time()
        batches = [objective.reader.read(plan) for plan in sampling.plans(0, sampling.batches)]
        views = time.process_time() - begun
        turns: dict[str, list[float]] = {"literal": [], "bound": [], "nicheclip": []}
        for turn in range(TURNS):
            turns["literal"].append(literal(objective))
            turns["bound"].append(bound(objective, batches))
            turns["nicheclip"].append(ours(options, given_to, folder / f"{turn}"))
    best = {what: min(values) for what, values in turns.items()}
    what = f"FAIR, {model}, {count} images of {edge} px, N = {crops}, 1 thread"
    print(f"| {what} | CPU s an epoch | of FAIR |")
    print("|---|---|---|")
    for what in ("literal", "nicheclip", "bound"):
        print(f"| {what} | {best[what]:.2f} | {best[what] / best['nicheclip']:.2f} |")
    print(
        f"| reading and cutting all views alone | {views:.2f} | {views / best['nicheclip']:.2f} |"
    )


if __name__ == "__main__":
    main()
