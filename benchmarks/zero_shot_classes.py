"""Zero-shot against many classes: images per second and peak memory, ours and a plain product.

    python benchmarks/zero_shot_classes.py [--images 512] [--classes 1000 10000 100000 400000]

Features of 512 numbers, random, of length 1. The plain version multiplies all images by all classes
at once and takes the five largest with argpartition: no order of ties, no probabilities. Each
measurement is a process of its own; memory is what the process had at its peak, less what it had
with the inputs loaded.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from nicheclip.evaluation.protocols.zero_shot import zero_shot
from nicheclip.models.features import Array, ImageFeatures, l2_normalise

WIDTH = 512
TOP = 5


def plain(images: Array, classes: Array) -> None:
    """The five nearest classes of each image, in no order."""
    np.argpartition(images @ classes.T, len(classes) - TOP, axis=1)[:, -TOP:]


def ours(images: Array, classes: Array) -> None:
    """``zero_shot`` as the judge calls it."""
    ids = [f"{i:016x}" for i in range(len(images))]
    names = [str(i) for i in range(len(classes))]
    zero_shot(
        ImageFeatures(images, ids), dict.fromkeys(ids, "0"), names, classes, logit_scale=100.0
    )


def measure(name: str, n: int, count: int) -> None:
    """Print seconds, and bytes above the inputs, of one run as JSON."""
    draw = np.random.default_rng(0)

    def vectors(rows: int) -> Array:
        made = np.empty((rows, WIDTH), np.float32)
        for start in range(0, rows, 10_000):
            part = draw.standard_normal((min(10_000, rows - start), WIDTH), dtype=np.float32)
            made[start : start + len(part)] = l2_normalise(part)
        return made

    images, classes = vectors(n), vectors(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    {"plain": plain, "ours": ours}[name](images, classes)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "more": peak - before, "peak": peak}))


def main() -> None:
    """Measure both at each number of classes; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--classes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 400_000])
    parser.add_argument("--one", choices=["plain", "ours"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one, arguments.images, arguments.classes[0])
        return
    print(f"{arguments.images} images, {WIDTH} numbers each")
    print(f"{'classes':>8}  {'version':<7} {'images/s':>9} {'MB on top':>9} {'MB peak':>9}")
    for count in arguments.classes:
        for name in ("plain", "ours"):
            command = [sys.executable, __file__, "--one", name, "--classes", str(count)]
            command += ["--images", str(arguments.images)]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode:
                print(f"{count:>8}  {name:<7} {'no memory':>9}")
                continue
            found = json.loads(answer.stdout)
            speed = arguments.images / found["seconds"]
            more, peak = found["more"] / 1024, found["peak"] / 1024
            print(f"{count:>8}  {name:<7} {speed:>9.0f} {more:>9.0f} {peak:>9.0f}")


if __name__ == "__main__":
    main()
