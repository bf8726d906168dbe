"""Images per second and memory of contrastive training beside open_clip's trainer and bare torch.

``PYTHONPATH=src python benchmarks/train_throughput.py [THREADS]`` prints one table.

The same model, batch, precision and images for three loops, each in a process of its own:

* bare: batches decoded and in memory; forward, loss, backward, fused AdamW, nothing else;
* open_clip_train: its ``train_one_epoch`` over its ``get_wds_dataset``, images and texts in a tar
  (members are grouped by webdataset, on whose mark of an end open_clip's own grouping stumbles);
* nicheclip.training: from its tars, with its log at every step.

All read in the training process. They take turns, five each. A step is what lies between two steps
of the optimiser; a turn's figure is the median over its steps but the first two, once in seconds of
the clock, once in seconds of the processor, which other work on the machine changes less. The table
gives the best turn of each. Memory is the most that the process had resident, libraries included.
"""

import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook
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

from nicheclip.config.models import ModelConfig
from nicheclip.models.openclip import create, load, open_clip, save
from nicheclip.runtime.memory import peak_resident
from nicheclip.training.data import TrainingData
from nicheclip.training.losses import Pairs, contrastive_share

LOOPS = {
    "bare": "bare torch, batches in memory",
    "open_clip": "open_clip_train, from a tar",
    "nicheclip": "nicheclip.training, from tars",
}
TURNS = 5
TAR = "pairs.tar"


def loss(image: Tensor, text: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
    """CLIP's, of a whole batch."""
    pairs = Pairs(image, text, labels)
    return contrastive_share(pairs, pairs, scale, 0)


def write_pairs(data: TrainingData, files: Sequence[Path]) -> None:
    """The images with their captions, as open_clip's loader wants them, spread over tars."""
    split = data.pairs("train")
    with ExitStack() as stack:
        tars = [stack.enter_context(tarfile.open(file, "w")) for file in files]
        for row, encoded in enumerate(split.images.read_many(range(len(split)))):
            text = split.texts.text(row, "caption") or ""
            for suffix, content in (("jpg", encoded.encoded), ("txt", text.encode())):
                member = tarfile.TarInfo(f"{encoded.image_id}.{suffix}")
                member.size = len(content)
                tars[row % len(tars)].addfile(member, BytesIO(content))


class Steps:
    """Notes the time after each step of any optimiser, by the clock and by the processor."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []
        register_optimizer_step_post_hook(lambda *_: self._mark())

    def _mark(self) -> None:
        self._marks.append((time.perf_counter(), time.process_time()))

    def seconds(self) -> tuple[float, float]:
        """The median step by the clock and by the processor."""
        steps = list(pairwise(self._marks[WARM_UP_STEPS:]))
        clock, processor = (
            statistics.median(after[i] - before[i] for before, after in steps) for i in (0, 1)
        )
        return clock, processor


def open_clip_loop(start: Path, tars: str, options: Sequence[str], *, device: str = "cpu") -> None:
    """An epoch of ``open_clip_train`` from the model ``start``, with options of its own."""
    import open_clip_train.data
    import webdataset
    from open_clip_train.params import parse_args
    from open_clip_train.train import train_one_epoch

    args = parse_args(
        ["--train-data", tars, "--dataset-type", "webdataset", "--skip-scheduler", *options]
    )
    args.device, args.rank, args.world_size, args.distributed = device, 0, 1, False
    args.distill, args.wandb, args.tensorboard = False, False, False
    clip = load(start)
    clip.model.to(device)
    views = open_clip.image_transform(clip.image_size, is_train=True, mean=clip.mean, std=clip.std)
    open_clip_train.data.tarfile_to_samples_nothrow = webdataset.tarfile_to_samples()
    found = open_clip_train.data.get_wds_dataset(
        args, views, is_train=True, floor=True, tokenizer=clip.tokenizer
    )
    data = {"train": found}
    clip.model.output_dict = True
    optimizer = torch.optim.AdamW(clip.model.parameters(), lr=1e-4, fused=True)
    train_one_epoch(
        clip.model, data, open_clip.ClipLoss(), 0, optimizer, None, lambda step: None, None, args
    )


def measure(loop: str, folder: Path, threads: int) -> dict[str, float]:
    """One turn of ``loop``, in this process."""
    data = TrainingData(folder / "images", folder / "images/class_texts.arrow", folder / "images")
    settings = config(threads, "contrastive")
    torch.set_num_threads(threads)
    prepared = batches(folder, data, settings) if loop == "bare" else []
    steps = Steps()
    if loop == "bare":
        bare_rates(folder, prepared, settings, loss)
    elif loop == "open_clip":
        options = f"--batch-size {BATCH} --train-num-samples {IMAGES_IN_ALL} --workers 0 "
        options += "--precision fp32"
        open_clip_loop(folder / "start", str(folder / TAR), options.split())
    else:
        loop_rates(folder, data, settings)
    clock, processor = steps.seconds()
    return {"rate": BATCH / clock, "by_processor": BATCH / processor, "peak": peak_resident()}


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
        write_pairs(make_images(folder / "images"), [folder / TAR])
        model = create(ModelConfig(architecture="nicheclip-small"), seed=0, registry=REGISTRY)
        save(model, folder / "start")
        take = partial(turn, folder=folder, threads=threads)
        turns = [{loop: take(loop) for loop in LOOPS} for _ in range(TURNS)]
    best = {
        (loop, figure): max(one[loop][figure] for one in turns)
        for loop in LOOPS
        for figure in ("rate", "by_processor")
    }
    peaks = {loop: min(one[loop]["peak"] for one in turns) for loop in LOOPS}
    peers = ("of bare torch", "of open_clip_train")
    heads = [f"nicheclip-small, batch {BATCH}, {threads} threads"]
    heads += ["images/s", *peers, "images/s of processor", *peers, "MB"]
    print(f"| {' | '.join(heads)} |\n|" + "---|" * len(heads))
    for loop, label in LOOPS.items():
        cells = [label]
        for figure in ("rate", "by_processor"):
            found = best[loop, figure]
            cells.append(f"{found:.0f}")
            cells += [f"{found / best[other, figure]:.2f}" for other in ("bare", "open_clip")]
        print(f"| {' | '.join(cells)} | {peaks[loop] / 1e6:.0f} |")


if __name__ == "__main__":
    main()
