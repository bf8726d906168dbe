"""Images per second of the training loop beside a bare torch loop with the same model and batches.

``PYTHONPATH=src python benchmarks/train_step.py [THREADS]`` prints one table in under a minute.

The bare loop has its batches decoded and in memory: forward, loss, backward, fused AdamW, nothing
else. NicheCLIP's engine reads tars, decodes, augments, tokenises, checks, logs. They take turns,
four each; the table gives the best turn of each, so that other work on the machine does not count.
A turn's figure is the median over its steps but the first two.
"""

import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from nicheclip.captions.assign import write_assigned
from nicheclip.config.models import ModelConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.data.image_tars import ImageTars
from nicheclip.data.mapped import write_mapped
from nicheclip.data.sample_texts import captions_file
from nicheclip.data.split_files import SplitWriter, placed_images
from nicheclip.engine.loading import Batch, load_batches
from nicheclip.engine.sampling import Sampling
from nicheclip.models.openclip import create, load, save
from nicheclip.schemas import ASSIGNED, CLASS_TEXTS
from nicheclip.training.data import TrainingData
from nicheclip.training.losses import multi_positive_loss
from nicheclip.training.objectives.multi_positive import MultiPositive
from nicheclip.training.run import TrainingRun, train

REGISTRY = Path(__file__).parent.parent / "workflow/registry/models"
IMAGES_IN_ALL, BATCH, TURNS, WARM_UP_STEPS = 336, 48, 4, 2


def make_images(folder: Path, images: int = IMAGES_IN_ALL, edge: int = 80) -> TrainingData:
    """Photograph-like noise of ``edge`` x ``edge`` pixels in three classes, each with a caption."""
    jpgs = []
    for i in range(images):
        coarse = np.random.default_rng(i).integers(0, 255, (10, 10, 3), dtype=np.uint8)
        encoded = io.BytesIO()
        noise = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
        noise.save(encoded, "JPEG")
        jpgs.append(encoded.getvalue())
    return store(folder, jpgs)


def store(folder: Path, jpgs: Sequence[bytes]) -> TrainingData:
    """Encoded images in three classes, each with a caption, as the workflow stores them."""
    folder.mkdir(parents=True, exist_ok=True)
    images = len(jpgs)
    ids = [f"{i:016x}" for i in range(images)]
    with ImageTars([folder / "0.tar"], folder) as tars:
        for image_id, jpg in zip(ids, jpgs, strict=True):
            tars.add(image_id, jpg)
        places = tars.finish()
    classes = ["abc"[i % 3] for i in range(images)]
    columns = {"image_id": ids, "class_id": classes} | places._asdict()
    frame = pl.DataFrame(columns).sort("offset")
    with SplitWriter(folder / "train", classes="abc", tars=["../0.tar"]) as writer:
        writer.add(placed_images(frame, pl.Enum("abc"), 0))
    texts = [{"class_id": name} for name in "abc"]
    class_texts = folder / "class_texts.arrow"
    write_mapped(class_texts, CLASS_TEXTS, [pa.Table.from_pylist(texts, schema=CLASS_TEXTS)])
    captions = [caption(i) for i in range(images)]
    assigned = pa.table({"image_id": ids, "caption": captions}, schema=ASSIGNED)
    write_assigned(assigned, ImageSet(folder / "train"), captions_file(folder, "train"))
    return TrainingData(folder, class_texts, folder)


def caption(number: int) -> str:
    """Of an image."""
    return f"Branching structure number {number}, pale threads on a dark ground."


def config(threads: int, recipe: str = "multi_positive") -> TrainingConfig:
    """One epoch with everything trainable."""
    return TrainingConfig.model_validate(
        {
            "dataset": "noise",
            "model": "nicheclip-small",
            "recipe": {"kind": recipe},
            "epochs": 1,
            "batch_size": BATCH,
            "compute": {"cpu_threads": threads, "log_every_steps": 1},
        }
    )


def batches(folder: Path, data: TrainingData, settings: TrainingConfig) -> list[Batch]:
    """The batches of the loop's first epoch."""
    objective = MultiPositive(settings, start=folder / "start", data=data, seed=0)
    sampling = Sampling(tuple(objective.shard_sizes), BATCH, 0)
    plans = sampling.plans(0, sampling.batches)
    return [batch for _, batch in load_batches(objective.reader, plans, workers=0)]


def multi_positive(image: Tensor, text: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
    """FungalZSL's loss of a whole batch."""
    return multi_positive_loss(image, text, scale, labels, labels)


def bare_rates(
    folder: Path,
    prepared: list[Batch],
    settings: TrainingConfig,
    loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = multi_positive,
) -> list[float]:
    """Images per second of each step of a plain torch loop."""
    clip = load(folder / "start")
    model = clip.model.train()
    mean, std = (torch.tensor(values)[:, None, None] for values in (clip.mean, clip.std))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.optimizer.lr, fused=True)
    images = [(batch["images"].float() / 255 - mean) / std for batch in prepared]
    rates = []
    for batch, normalised in zip(prepared, images, strict=True):
        start = time.perf_counter()
        image, text, scale = model(normalised, batch["tokens"])
        labels = batch["labels"]
        loss(image, text, scale, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        rates.append(len(labels) / (time.perf_counter() - start))
    return rates[WARM_UP_STEPS:]


def run_of(folder: Path, data: TrainingData, settings: TrainingConfig) -> TrainingRun:
    """Of the model in ``folder``."""
    return TrainingRun(
        config=settings,
        start=folder / "start",
        class_texts=data.class_texts,
        captions=data.captions,
        seed=0,
        output=folder / "out",
    )


def loop_rates(folder: Path, data: TrainingData, settings: TrainingConfig) -> list[float]:
    """Images per second of each step of ``train``."""
    train(run_of(folder, data, settings), images=data.images, run_folder=folder / "run")
    lines = (folder / "run/log.jsonl").read_text().splitlines()
    return [json.loads(line)["images_per_second"] for line in lines][WARM_UP_STEPS:]


def main() -> None:
    """Measure and print."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_images(folder / "images")
        model = create(ModelConfig(architecture="nicheclip-small"), seed=0, registry=REGISTRY)
        save(model, folder / "start")
        settings = config(threads)
        start = time.perf_counter()
        prepared = batches(folder, data, settings)
        reading = IMAGES_IN_ALL / (time.perf_counter() - start)
        bare, loop = [], []
        for _ in range(TURNS):
            bare.append(statistics.median(bare_rates(folder, prepared, settings)))
            loop.append(statistics.median(loop_rates(folder, data, settings)))
    rates = max(bare), max(loop)
    print(f"| nicheclip-small, batch {BATCH}, {threads} threads | images/s | of bare torch |")
    print("|---|---|---|")
    print(f"| bare torch, batches in memory | {rates[0]:.0f} | 1.00 |")
    print(f"| nicheclip.training, from tars, workers 0 | {rates[1]:.0f} "
          f"| {rates[1] / rates[0]:.2f} |")  # fmt: skip
    print(f"| reading, decoding, augmenting and tokenising alone | {reading:.0f} | |")


if __name__ == "__main__":
    main()
