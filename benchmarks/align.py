"""Ridge alignment at scale: seconds and memory of one pass over made-up features.

    PYTHONPATH=src python benchmarks/align.py [--images 1000000] [--features 2048] [--targets 512]

Peers: numpy's lstsq on as many of the images as are held in memory, for the seconds an image and
for the map itself. Features are drawn in parts, as a backbone gives them; drawing is not counted.
"""

import argparse
import resource
import time

import numpy as np

from nicheclip.config.alignment import RidgeFit
from nicheclip.training.align import fit

PART = 4096


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("images", 1_000_000), ("features", 2048), ("targets", 512)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--peer-images", type=int, default=20_000)
    given = parser.parse_args()
    truth = np.random.default_rng(0).normal(size=(given.features, given.targets)) / 50
    drawing = 0.0

    def parts(images):
        nonlocal drawing
        random = np.random.default_rng(1)
        for start in range(0, images, PART):
            began = time.perf_counter()
            size = min(PART, images - start)
            x = random.standard_normal((size, given.features), np.float32)
            noise = random.standard_normal((size, given.targets), np.float32)
            y = (x @ truth + 0.5 * noise).astype(np.float32)
            drawing += time.perf_counter() - began
            yield x, y

    began, before = time.perf_counter(), time.process_time()
    found = fit(parts(given.images), RidgeFit(), seed=0)
    wall, used = time.perf_counter() - began - drawing, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    x, y = (np.concatenate(side) for side in zip(*parts(given.peer_images), strict=True))
    ours = fit([(x, y)], RidgeFit(), seed=0)
    with_one = np.column_stack([x, np.ones(len(x), np.float32)]).astype(np.float64)
    began = time.perf_counter()
    theirs = np.linalg.lstsq(with_one, y.astype(np.float64), rcond=None)[0]
    peer = time.perf_counter() - began
    off = np.abs(ours.weight.T - theirs[:-1]).max()
    print("| way | images | seconds | microseconds an image | memory, GiB |")
    print("|---|---|---|---|---|")
    print(
        f"| ridge, {given.features} to {given.targets} | {given.images:,} | {wall:.1f} | "
        f"{1e6 * wall / given.images:.0f} | {peak:.2f} |"
    )
    each = 1e6 * peer / given.peer_images
    print(f"| numpy lstsq | {given.peer_images:,} | {peer:.1f} | {each:.0f} | not measured |")
    print(f"\nR2 {found.r2:.4f}; largest difference of a weight to lstsq {off:.1e}; "
          f"{used:.0f} s of processor time with drawing.")  # fmt: skip


if __name__ == "__main__":
    main()
