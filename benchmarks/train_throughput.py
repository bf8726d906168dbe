"""Images per second and memory of contrastive training beside open_clip's trainer and bare torch.

``PYTHONPATH=src python benchmarks/train_throughput.py [THREADS]`` prints one table.

The same model, batch, precision and images for three loops, each in a process of its own:

* bare: batches decoded and in memory; forward, loss, backward, fused AdamW, nothing else;
* open_clip_train: its ``train_one_epoch`` over its ``get_wds_dataset``, images and texts in a tar
  (members are grouped by webdataset, on whose mark of an end open_clip's own grouping stumbles);
* nicheclip.training: from its tars, with its log at every step.

All read in the training process. They take turns, three each; the table gives the best turn of
each, so that other work on the machine does not count. A turn's figure is the median over its steps
but the first two. Memory is the most that the process had resident, libraries included.
"""

import json
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from train_step import (
    BATCH,
    IMAGES_IN_ALL,
    REGISTRY,
    WARM_UP_STEPS,
    bare_rates,
    batches,
    config,
    loop_rates,
    make_images,
)

from nicheclip.config.training import ModelConfig
from nicheclip.models.openclip import create, load, open_clip, save
from nicheclip.training.data import TrainingData
from nicheclip.training.losses import Pairs, contrastive_share

LOOPS = {
    "bare": "bare torch, batches in memory",
    "open_clip": "open_clip_train, from a tar",
    "nicheclip": "nicheclip.training, from tars",
}
TURNS = 3
TAR = "pairs.tar"


def loss(image: Tensor, text: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
    """CLIP's, of a whole batch."""
    pairs = Pairs(image, text, labels)
    return contrastive_share(pairs, pairs, scale, 0)


def write_pairs(data: TrainingData, file: Path) -> None:
    """The images with their captions, as open_clip's loader wants them."""
    split = data.pairs("train")
    with tarfile.open(file, "w") as tar:
        for row, encoded in enumerate(split.images.read_many(range(len(split)))):
            text = split.texts.text(row, "caption") or ""
            for suffix, content in (("jpg", encoded.jpg), ("txt", text.encode())):
                member = tarfile.TarInfo(f"{encoded.image_id}.{suffix}")
                member.size = len(content)
                tar.addfile(member, BytesIO(content))


class Timed:
    """A loader that notes when each batch is asked for."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.num_batches, self.num_samples = loader.num_batches, loader.num_samples
        self.asked: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        self.asked.append(time.perf_counter())
        for batch in self._loader:
            yield batch
            self.asked.append(time.perf_counter())


def open_clip_rates(folder: Path, threads: int) -> list[float]:
    """Images per second of each step of ``open_clip_train``."""
    import open_clip_train.data
    import webdataset
    from open_clip_train.params import parse_args
    from open_clip_train.train import train_one_epoch

    torch.set_num_threads(threads)
    tar, samples = folder / TAR, str(IMAGES_IN_ALL)
    args = parse_args(
        ["--train-data", str(tar), "--dataset-type", "webdataset", "--train-num-samples", samples,
         "--batch-size", str(BATCH), "--workers", "0", "--precision", "fp32", "--skip-scheduler"]
    )  # fmt: skip
    args.device, args.rank, args.world_size, args.distributed = "cpu", 0, 1, False
    args.distill, args.wandb, args.tensorboard = False, False, False
    clip = load(folder / "start")
    views = open_clip.image_transform(clip.image_size, is_train=True, mean=clip.mean, std=clip.std)
    open_clip_train.data.tarfile_to_samples_nothrow = webdataset.tarfile_to_samples()
    found = open_clip_train.data.get_wds_dataset(
        args, views, is_train=True, floor=True, tokenizer=clip.tokenizer
    )
    timed = Timed(found.dataloader)
    data = {"train": SimpleNamespace(dataloader=timed, set_epoch=found.set_epoch)}
    clip.model.output_dict = True
    optimizer = torch.optim.AdamW(clip.model.parameters(), lr=1e-4, fused=True)
    train_one_epoch(
        clip.model, data, open_clip.ClipLoss(), 0, optimizer, None, lambda step: None, None, args
    )
    steps = zip(timed.asked, timed.asked[1:], strict=False)
    return [BATCH / (end - start) for start, end in steps][WARM_UP_STEPS:]


def measure(loop: str, folder: Path, threads: int) -> dict[str, float]:
    """One turn of ``loop``, in this process."""
    data = TrainingData(folder / "images", folder / "images/class_texts.arrow", folder / "images")
    settings = config(threads, "contrastive")
    torch.set_num_threads(threads)
    if loop == "bare":
        rates = bare_rates(folder, batches(folder, data, settings), settings, loss)
    elif loop == "open_clip":
        rates = open_clip_rates(folder, threads)
    else:
        rates = loop_rates(folder, data, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"rate": statistics.median(rates), "peak": peak}


def turn(loop: str, folder: Path, threads: int) -> dict[str, float]:
    """One turn of ``loop``, in a process of its own."""
    command = [sys.executable, __file__, str(threads), loop, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    if len(sys.argv) > 2:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), threads)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(make_images(folder / "images"), folder / TAR)
        model = create(ModelConfig(architecture="nicheclip-small"), seed=0, registry=REGISTRY)
        save(model, folder / "start")
        take = partial(turn, folder=folder, threads=threads)
        turns = [{loop: take(loop) for loop in LOOPS} for _ in range(TURNS)]
    rates = {loop: max(one[loop]["rate"] for one in turns) for loop in LOOPS}
    peaks = {loop: min(one[loop]["peak"] for one in turns) for loop in LOOPS}
    print(f"| nicheclip-small, batch {BATCH}, {threads} threads | images/s | of bare torch "
          "| of open_clip_train | MB |")  # fmt: skip
    print("|---|---|---|---|---|")
    for loop, label in LOOPS.items():
        shares = (rates[loop] / rates[other] for other in ("bare", "open_clip"))
        print(f"| {label} | {rates[loop]:.0f} | {' | '.join(f'{share:.2f}' for share in shares)} "
              f"| {peaks[loop] / 1e6:.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()
