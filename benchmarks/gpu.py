"""A GPU at work: training beside a bare torch loop, encoding beside the CPU.

``PYTHONPATH=src python benchmarks/gpu.py [WORKERS] [MODEL]`` prints one table in two minutes. On a
machine without a GPU it runs on the CPU, which shows that the script works.

The bare loop has its batches decoded and on the GPU: forward, loss, backward, fused AdamW in
bfloat16. NicheCLIP's loop reads tars, decodes, augments, tokenises, checks, logs. Each figure is
the median over the steps but the first five.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from train_step import REGISTRY, make_images, run_of

from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch, load_batches
from nicheclip.engine.sampling import Sampling
from nicheclip.models.encode import encode_images
from nicheclip.models.openclip import create, load, save
from nicheclip.training.data import TrainingData
from nicheclip.training.losses import Pairs, contrastive_share
from nicheclip.training.objectives.contrastive import Contrastive
from nicheclip.training.run import train

CORES = os.cpu_count() or 1
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IMAGES_IN_ALL, EDGE, BATCH, EPOCHS, WARM_UP_STEPS = 4096, 256, 256, 3, 5


def config(model: str, workers: int) -> TrainingConfig:
    """Contrastive training with everything trainable."""
    return TrainingConfig.model_validate(
        {
            "dataset": "noise",
            "model": model,
            "recipe": {"kind": "contrastive"},
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "precision": "bf16-mixed",
            "compute": {"gpus": int(DEVICE == "cuda"), "workers": workers, "log_every_steps": 1},
        }
    )


def bare_rates(folder: Path, batches: list[Batch], settings: TrainingConfig) -> list[float]:
    """Images per second of each step of a plain torch loop."""
    clip = load(folder / "start")
    model = clip.model.to(DEVICE).train()
    mean, std = (torch.tensor(v, device=DEVICE)[:, None, None] for v in (clip.mean, clip.std))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.optimizer.lr, fused=True)
    ready = [(b.images.to(DEVICE), b.tokens.to(DEVICE), b.labels.to(DEVICE)) for b in batches]
    rates = []
    for images, tokens, labels in ready * EPOCHS:
        start = time.perf_counter()
        with torch.autocast(DEVICE, torch.bfloat16):
            image, text, scale = model((images.float() / 255 - mean) / std, tokens)[:3]
        pairs = Pairs(image.float(), text.float(), labels)
        contrastive_share(pairs, pairs, scale, 0).backward()
        optimizer.step()
        optimizer.zero_grad()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        rates.append(len(labels) / (time.perf_counter() - start))
    return rates[WARM_UP_STEPS:]


def loop_rates(folder: Path, data: TrainingData, settings: TrainingConfig) -> list[float]:
    """Images per second of each step of ``train``."""
    train(run_of(folder, data, settings), images=data.images, run_folder=folder / "run")
    lines = (folder / "run/log.jsonl").read_text().splitlines()
    return [json.loads(line)["images_per_second"] for line in lines][WARM_UP_STEPS:]


def main() -> None:
    """Measure and print."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    model = sys.argv[2] if len(sys.argv) > 2 else "ViT-B-32"
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = make_images(folder / "images", IMAGES_IN_ALL, EDGE)
        save(create(ModelConfig(architecture=model), seed=0, registry=REGISTRY), folder / "start")
        settings, images = config(model, workers), ImageSet(data.images / "train")
        reader = Contrastive(settings, start=folder / "start", data=data, seed=0).reader
        sampling = Sampling(tuple(images.tar_sizes), BATCH, 0)
        plans = sampling.plans(0, sampling.batches)
        prepared = [batch for _, batch in load_batches(reader, plans, workers=workers)]
        bare = statistics.median(bare_rates(folder, prepared, settings))
        loop = statistics.median(loop_rates(folder, data, settings))
        report = json.loads((folder / "out/train.json").read_text())
        clip = load(folder / "out")
        few = ImageSet(make_images(folder / "few", BATCH, EDGE).images / "train")
        torch.set_num_threads(CORES)  # training has set its own number
        rates, features = {}, {}
        for device, encoded in {"cpu": few, DEVICE: images}.items():
            encode_images(clip, few, batch_size=BATCH, device=device, threads=CORES)  # warm up
            start = time.perf_counter()
            found = encode_images(clip, encoded, batch_size=BATCH, device=device, threads=CORES)
            rates[device] = len(encoded) / (time.perf_counter() - start)
            features[device] = found.rows(list(few.image_ids))
    apart = float(np.abs(features[DEVICE] - features["cpu"]).max())
    peak = report["peak_memory_bytes"] / 2**30
    print(f"| {model}, batch {BATCH}, bf16, {workers} workers, {name} | images/s | ratio |")
    print("|---|---|---|")
    print(f"| bare torch, batches on the device | {bare:.0f} | 1.00 |")
    print(f"| nicheclip.training, from tars ({peak:.1f} GiB at most) | {loop:.0f} "
          f"| {loop / bare:.2f} |")  # fmt: skip
    print(f"| encoding on the CPU, {CORES} cores | {rates['cpu']:.0f} | 1.00 |")
    print(f"| encoding on the device (features differ by {apart:.1e} at most) "
          f"| {rates[DEVICE]:.0f} | {rates[DEVICE] / rates['cpu']:.1f} |")  # fmt: skip


if __name__ == "__main__":
    main()
