"""The parts of ``gpu.py``, each for a process of its own."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from adaptation import CLASSES, write_images
from torch.nn.functional import normalize
from train_step import REGISTRY, make_images, run_of
from train_throughput import Steps, open_clip_loop, write_pairs

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.run import AdaptationRun, fit
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.adaptation import FairMethod
from nicheclip.config.compute import ComputeConfig, Precision
from nicheclip.config.models import ModelConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.card import peak_flops
from nicheclip.engine.loading import load_batches
from nicheclip.engine.machine import peak_memory
from nicheclip.engine.out_of_memory import USABLE, GpuMemory, largest
from nicheclip.engine.sampling import Sampling
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import create, load, save
from nicheclip.training.data import TrainingData
from nicheclip.training.losses import Pairs, contrastive_share
from nicheclip.training.objectives.contrastive import Contrastive
from nicheclip.training.pretrain import PretrainingRun, pretrain
from nicheclip.training.probe import measure
from nicheclip.training.run import train

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: bfloat16 has no fast kernels on most CPUs
PRECISION: Precision = "bf16-mixed" if DEVICE == "cuda" else "32-true"

Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    models: tuple[str, ...] = ("ViT-B-16", "ViT-B-32")
    images: int = 4096
    edge: int = 256
    batch: int = 2048
    """Of contrastive training, at most."""
    steps: int = 12
    backbone: str = "resnet50"
    views: int = 224
    dino_batch: int = 64
    outputs: int = 65_536
    fair_images: int = 384
    fair_batch: int = 32
    crops: tuple[int, ...] = (8, 16, 60)


TOY = Sizes(
    models=("nicheclip-small",), images=32, edge=48, batch=8, steps=5, backbone="test_resnet",
    views=32, dino_batch=4, outputs=64, fair_images=20, fair_batch=4, crops=(2,),
)  # fmt: skip


def compute(workers: int) -> dict[str, Any]:
    """The section of a config."""
    return {"gpus": int(DEVICE == "cuda"), "workers": workers, "log_every_steps": 1}


def clip_config(model: str, batch: int, sizes: Sizes, workers: int) -> TrainingConfig:
    """Contrastive training with everything trainable."""
    return TrainingConfig.model_validate(
        {
            "dataset": "noise",
            "model": model,
            "recipe": {"kind": "contrastive"},
            "epochs": 1,
            "min_steps": sizes.steps,
            "batch_size": batch,
            "precision": PRECISION,
            "compute": compute(workers),
        }
    )


def data_of(folder: Path) -> TrainingData:
    """What ``make_images`` wrote."""
    images = folder / "images"
    return TrainingData(images, images / "class_texts.arrow", images)


def utilisation(report: Any, rate: float) -> float | None:
    """MFU at ``rate`` samples a second."""
    if DEVICE == "cpu" or report.flops_per_sample is None:
        return None
    peak = peak_flops(torch.cuda.get_device_name(), PRECISION)
    return report.flops_per_sample * rate / peak if peak else None


def row(what: str, batch: int, rate: float, **more: Any) -> Row:
    """One line of the table."""
    memory = peak_memory(torch.device(DEVICE)) / 2**30
    return {"what": what, "batch": batch, "rate": rate, "memory": memory, **more}


def fitting(model: str, sizes: Sizes) -> int:
    """The largest batch of ``model`` that fits, by two steps that were measured."""
    if DEVICE == "cpu":
        return sizes.batch
    memory = GpuMemory(torch.device(DEVICE))
    room = USABLE * memory.room()

    def take(batch: int) -> int:
        memory.free()
        memory.forget()
        clip = create(ModelConfig(architecture=model), seed=0, registry=REGISTRY)
        return measure(clip_config(model, batch, sizes, 0), clip, batch=batch)

    found = largest(take, room, sizes.batch + 1, few=64)
    memory.free()
    return found // 64 * 64


def clip(model: str, sizes: Sizes, workers: int, folder: Path) -> list[Row]:
    """Contrastive training, beside the bare loop."""
    batch, data = fitting(model, sizes), data_of(folder)
    settings = clip_config(model, batch, sizes, workers)
    start = folder / f"start-{model}"
    reader = Contrastive(settings, start=start, data=data, seed=0).reader
    sampling = Sampling(tuple(data.pairs("train").images.tar_sizes), batch, 0)
    begun, batches = time.perf_counter(), []
    for _, read in load_batches(reader, sampling.plans(0, sampling.batches), workers=workers):
        batches.append(read)
    loader = sizes.images / (time.perf_counter() - begun)
    bare = bare_seconds(start, batches[0], sizes.steps)
    rows = [row(f"{model}: bare", batch, batch / bare)]
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    steps, one = Steps(), run_of(folder, data, settings).model_copy(update={"start": start})
    report = train(one, images=data.images, run_folder=folder / f"run-{model}")
    rate = batch / steps.seconds()[0]
    more = {"mfu": utilisation(report, rate), "loader": loader}
    rows.append(row(f"{model}: nicheclip", batch, rate, **more))
    short = settings.model_copy(update={"min_steps": 3})
    with torch.profiler.profile() as profile:
        again = one.model_copy(update={"config": short, "output": folder / "short"})
        train(again, images=data.images, run_folder=folder / "run-short")
    rows[-1]["profile"] = heaviest(profile)
    return rows


def bare_seconds(start: Path, batch: Any, steps: int) -> float:
    """The median step of a plain loop."""
    clip = load(start)
    model = clip.model.to(DEVICE).train()
    mean, std = (torch.tensor(v, device=DEVICE)[:, None, None] for v in (clip.mean, clip.std))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    images, tokens, labels = (batch[name].to(DEVICE) for name in ("images", "tokens", "labels"))
    marks = Steps()
    for _ in range(steps):
        with torch.autocast(DEVICE, torch.bfloat16, enabled=PRECISION == "bf16-mixed"):
            image, text, scale = model((images.float() / 255 - mean) / std, tokens)[:3]
        pairs = Pairs(image.float(), text.float(), labels)
        contrastive_share(pairs, pairs, scale, 0).backward()
        optimizer.step()
        optimizer.zero_grad()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
    return marks.seconds()[0]


def heaviest(profile: Any) -> list[tuple[str, float]]:
    """The five operators that take the most of the device's time, with their share of it."""
    found = profile.key_averages()
    spent = {one.key: one.self_device_time_total or 0.0 for one in found}
    if not any(spent.values()):
        spent = {one.key: one.self_cpu_time_total for one in found}
    total = sum(spent.values()) or 1.0
    first = sorted(spent.items(), key=lambda item: -item[1])[:5]
    return [(name, time_spent / total) for name, time_spent in first]


def peer(model: str, sizes: Sizes, workers: int, folder: Path, batch: int) -> list[Row]:
    """``open_clip_train``; its workers give whole batches each."""
    turns = max(workers, 1)
    samples = batch * turns * -(-sizes.steps // turns)
    options = f"--batch-size {batch} --train-num-samples {samples} --workers {workers} "
    options += f"--dataset-resampled --precision {'fp32' if DEVICE == 'cpu' else 'amp_bf16'}"
    tars = str(folder / f"pairs-{{00000..{turns - 1:05d}}}.tar")
    steps = Steps()
    open_clip_loop(folder / f"start-{model}", tars, options.split(), device=DEVICE)
    return [row(f"{model}: open_clip", batch, batch / steps.seconds()[0])]


def dino(sizes: Sizes, workers: int, folder: Path) -> list[Row]:
    """Self-supervision with two global and eight local crops."""
    config = PretrainingConfig.model_validate(
        {
            "dataset": "noise",
            "backbone": sizes.backbone,
            "size": sizes.views,
            "recipe": {"kind": "dino", "outputs": sizes.outputs, "reference_images": 8,
                       "neighbours": 2, "crops": {"local_size": 96 if sizes.views > 96 else 16}},
            "epochs": 1,
            "batch_size": sizes.dino_batch,
            "precision": PRECISION,
            "compute": compute(workers),
        }
    )  # fmt: skip
    steps = Steps()
    one = PretrainingRun(config=config, seed=0, output=folder / "dino")
    report = pretrain(one, images=folder / "few", run_folder=folder / "run-dino")
    rate = sizes.dino_batch / steps.seconds()[0]
    what = f"DINO {sizes.backbone}, 2 + 8 crops"
    return [row(what, sizes.dino_batch, rate, mfu=utilisation(report, rate))]


def fair(crops: int, sizes: Sizes, workers: int, folder: Path) -> list[Row]:
    """An epoch of FAIR with ``crops`` crops of each image."""
    start = folder / f"start-{sizes.models[-1]}"
    names = [f"class {number}" for number in range(CLASSES)]
    torch.manual_seed(0)
    width = load(start).model_config["embed_dim"]
    features = normalize(torch.randn(CLASSES, width), dim=1)
    options = FairMethod(
        kind="fair", epochs=1, crops=crops, top_crops=crops // 2, batch_size=sizes.fair_batch,
        precision=PRECISION,
    )  # fmt: skip
    steps = Steps()
    report = fit(
        AdaptationRun(method=options, start=start, seed=0, output=folder / f"fair-{crops}"),
        images=ImageSet(folder / "few/train"),
        texts=TaskTexts(tuple(names), ClassTexts.of(names, features.split(1))),
        run_folder=folder / f"run-fair-{crops}",
        compute=ComputeConfig.model_validate(compute(workers)),
    )
    rate = sizes.fair_batch / steps.seconds()[0]
    what = f"FAIR {sizes.models[-1]}, N = {crops}"
    return [row(what, sizes.fair_batch, rate, mfu=utilisation(report, rate))]


def encode(sizes: Sizes, folder: Path) -> list[Row]:
    """Encoding for evaluation."""
    images, model = ImageSet(folder / "images/train"), sizes.models[-1]
    clip, cores = load(folder / f"start-{model}"), os.cpu_count() or 1
    batch = min(256, sizes.batch)
    few = ImageSet(folder / "few/train")
    encode_images(
        clip, few, EncodeSettings(batch_size=batch, device=DEVICE, threads=cores)
    )  # warm up
    begun = time.perf_counter()
    encode_images(clip, images, EncodeSettings(batch_size=batch, device=DEVICE, threads=cores))
    rate = len(images) / (time.perf_counter() - begun)
    return [row(f"encoding by {model}, {cores} cores", batch, rate)]


def prepare(sizes: Sizes, workers: int, folder: Path) -> None:
    """Images and models for all sections."""
    data = make_images(folder / "images", sizes.images, sizes.edge)
    turns = max(workers, 1)
    write_pairs(data, [folder / f"pairs-{number:05d}.tar" for number in range(turns)])
    count = max(sizes.fair_images, 8 * sizes.dino_batch)
    write_images(folder / "few", count, sizes.edge)
    for model in sizes.models:
        clip = create(ModelConfig(architecture=model), seed=0, registry=REGISTRY)
        save(clip, folder / f"start-{model}")


def section(words: list[str], sizes: Sizes, workers: int, folder: Path) -> list[Row]:
    """What one process does."""
    match words:
        case ["clip", model]:
            return clip(model, sizes, workers, folder)
        case ["open_clip", model, batch]:
            return peer(model, sizes, workers, folder, int(batch))
        case ["dino"]:
            return dino(sizes, workers, folder)
        case ["fair", crops]:
            return fair(int(crops), sizes, workers, folder)
    return encode(sizes, folder)
