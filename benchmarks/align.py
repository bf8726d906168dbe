"""Ridge alignment at scale: seconds and memory of one pass over made-up features.

    PYTHONPATH=src python benchmarks/align.py [--images 1000000] [--features 2048] [--targets 512]

Peers: numpy's lstsq on as many of the images as are held in memory, for the seconds an image and
for the map itself. Features are drawn from a seed in parts, as a backbone gives them; drawing is
not counted. Processor seconds, those of all threads together, are what other work on the machine
changes least.
"""

import argparse
import resource
import time

import numpy as np

from nicheclip.config.alignment import RidgeFit
from nicheclip.training.align import fit

PART = 4096


class Clock:
    """Wall and processor seconds spent within it."""

    def __init__(self):
        self.wall = self.used = 0.0

    def __enter__(self):
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_):
        self.wall += time.perf_counter() - self._began[0]
        self.used += time.process_time() - self._began[1]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("images", 1_000_000), ("features", 2048), ("targets", 512)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--peer-images", type=int, default=5_000)
    given = parser.parse_args()
    truth = (
        np.random.default_rng(0).standard_normal((given.features, given.targets), np.float32) / 50
    )
    drawn = Clock()

    def parts(images):
        random = np.random.default_rng(1)
        for start in range(0, images, PART):
            with drawn:
                size = min(PART, images - start)
                x = random.standard_normal((size, given.features), np.float32)
                y = 0.5 * random.standard_normal((size, given.targets), np.float32)
                y += x @ truth
            yield x, y

    whole, peer = Clock(), Clock()
    with whole:
        found = fit(parts(given.images), RidgeFit(), seed=0)
    wall, used = whole.wall - drawn.wall, whole.used - drawn.used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    x, y = (np.concatenate(side) for side in zip(*parts(given.peer_images), strict=True))
    ours = fit([(x, y)], RidgeFit(), seed=0)
    with_one = np.column_stack([x, np.ones(len(x), np.float32)]).astype(np.float64)
    with peer:
        theirs = np.linalg.lstsq(with_one, y.astype(np.float64), rcond=None)[0]
    off = np.abs(ours.weight.T - theirs[:-1]).max()
    print("| way | images | seconds | processor seconds | processor µs an image | memory, GiB |")
    print("|---|---|---|---|---|---|")
    label = f"ridge, {given.features} to {given.targets}"
    for way, images, seconds, processor, memory in (
        (label, given.images, wall, used, f"{peak:.2f}"),
        ("numpy lstsq", given.peer_images, peer.wall, peer.used, "not measured"),
    ):
        print(f"| {way} | {images:,} | {seconds:.1f} | {processor:.1f} | "
              f"{1e6 * processor / images:.0f} | {memory} |")  # fmt: skip
    print(f"\nR2 {found.r2:.4f}; largest difference of a weight to lstsq {off:.1e}.")


if __name__ == "__main__":
    main()
