"""Images per second of the training loop beside a bare torch loop with the same model and batches.

``PYTHONPATH=src python benchmarks/train_step.py [THREADS]`` prints one table in under a minute.

The bare loop has its batches decoded and in memory: forward, loss, backward, fused AdamW, nothing
else. NicheCLIP's engine reads shards, decodes, augments, tokenises, checks, logs. They take turns,
four each; the table gives the best turn of each, so that other work on the machine does not count.
A turn's figure is the median over its steps but the first two.
"""

import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.data.shards import ShardInputs, join_indexes, write_part
from nicheclip.engine.loading import Batch, load_batches
from nicheclip.engine.sampling import Sampling
from nicheclip.models.openclip import create, load, save
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG, IMAGES
from nicheclip.training.losses import multi_positive_loss
from nicheclip.training.objectives.multi_positive import MultiPositive
from nicheclip.training.run import TrainingRun, train

REGISTRY = Path(__file__).parent.parent / "workflow/registry/models"
IMAGES_IN_ALL, BATCH, TURNS, WARM_UP_STEPS = 336, 48, 4, 2


def make_shards(folder: Path, images: int = IMAGES_IN_ALL, edge: int = 80) -> None:
    """Photograph-like noise of ``edge`` x ``edge`` pixels in three classes."""
    rows, members = [], []
    for i in range(images):
        coarse = np.random.default_rng(i).integers(0, 255, (10, 10, 3), dtype=np.uint8)
        encoded = io.BytesIO()
        noise = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
        noise.save(encoded, "JPEG")
        row = {"image_id": f"{i:016x}", "class_id": "abc"[i % 3], "split": "train", "part": 0}
        rows.append(dict.fromkeys(CATALOG.names) | row)
        members.append((row["image_id"], encoded.getvalue()))
    captions = {
        row["image_id"]: f"Branching structure number {i}, pale threads on a dark ground."
        for i, row in enumerate(rows)
    }
    encoded_images = pl.DataFrame(members, schema=["image_id", "jpg"], orient="row")
    write_parquet(folder / "images.parquet", encoded_images.to_arrow().cast(IMAGES))
    catalog = pl.from_dicts(rows, infer_schema_length=None)
    names = {name: name for name in "abc"}
    write_part(folder / "images.parquet", 0, ShardInputs(catalog, names, {}, captions, {}), folder)
    join_indexes(folder, 1)


def config(threads: int) -> TrainingConfig:
    """One epoch with everything trainable."""
    return TrainingConfig.model_validate(
        {
            "dataset": "noise",
            "model": "nicheclip-small",
            "recipe": {"kind": "multi_positive"},
            "epochs": 1,
            "batch_size": BATCH,
            "compute": {"cpu_threads": threads, "log_every_steps": 1},
        }
    )


def batches(folder: Path, settings: TrainingConfig) -> list[Batch]:
    """The batches of the loop's first epoch."""
    objective = MultiPositive(settings, start=folder / "start", shards=folder, seed=0)
    sampling = Sampling(tuple(objective.shard_sizes), BATCH, 0)
    plans = sampling.plans(0, sampling.batches)
    return [batch for _, batch in load_batches(objective.reader, plans, workers=0)]


def bare_rates(folder: Path, prepared: list[Batch], settings: TrainingConfig) -> list[float]:
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
        multi_positive_loss(image, text, scale, labels, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        rates.append(len(labels) / (time.perf_counter() - start))
    return rates[WARM_UP_STEPS:]


def loop_rates(folder: Path, settings: TrainingConfig) -> list[float]:
    """Images per second of each step of ``train``."""
    run = TrainingRun(config=settings, start=folder / "start", seed=0, output=folder / "out")
    train(run, shards=folder, run_folder=folder / "run")
    lines = (folder / "run/log.jsonl").read_text().splitlines()
    return [json.loads(line)["images_per_second"] for line in lines][WARM_UP_STEPS:]


def main() -> None:
    """Measure and print."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_shards(folder)
        model = create(ModelConfig(architecture="nicheclip-small"), seed=0, registry=REGISTRY)
        save(model, folder / "start")
        settings = config(threads)
        start = time.perf_counter()
        prepared = batches(folder, settings)
        data = IMAGES_IN_ALL / (time.perf_counter() - start)
        bare, loop = [], []
        for _ in range(TURNS):
            bare.append(statistics.median(bare_rates(folder, prepared, settings)))
            loop.append(statistics.median(loop_rates(folder, settings)))
    rates = max(bare), max(loop)
    print(f"| nicheclip-small, batch {BATCH}, {threads} threads | images/s | of bare torch |")
    print("|---|---|---|")
    print(f"| bare torch, batches in memory | {rates[0]:.0f} | 1.00 |")
    print(f"| nicheclip.training, from shards, workers 0 | {rates[1]:.0f} "
          f"| {rates[1] / rates[0]:.2f} |")  # fmt: skip
    print(f"| reading, decoding, augmenting and tokenising alone | {data:.0f} | |")


if __name__ == "__main__":
    main()
