"""Arbor pictures per second on one core, against what no renderer of JPEGs can undercut.

    PYTHONPATH=src python benchmarks/synthetic_arbor.py [--size 64] [--seconds 3]

The bound is the encoding alone: the same pictures, already drawn, to JPEG at the world's quality.
"""

import argparse
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from nicheclip.synthetic.arbor_images import draw_specimen
from nicheclip.synthetic.arbor_traits import LIMBS, Traits
from nicheclip.synthetic.arbor_tree import grow_tree
from nicheclip.synthetic.raster import Pixels
from nicheclip.synthetic.world_images import JPEG_QUALITY

DIFFERENT_PICTURES = 24


def draw(traits: Traits, size: int, seed: int, *, field: bool) -> Pixels:
    """A picture at the default difficulty."""
    rng = np.random.default_rng(seed)
    return draw_specimen(traits, size=size, rng=rng, difficulty=0.5, field=field)


def encode(pixels: Pixels) -> bytes:
    """As the world does."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def rate(work: Callable[[int], object], seconds: float) -> float:
    """Calls of ``work`` per second, over at least ``seconds``; it gets 0, 1, 2, ... in turn."""
    work(0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work(count % DIFFERENT_PICTURES)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="edge in pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    options = parser.parse_args()
    size = options.size
    species = grow_tree(1000, seed=0)
    print(f"Pictures per second, one core, {size} pixels.\n")
    print("| body plan | draw | draw and encode | field: draw and encode | encode alone | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    for plan in LIMBS:
        looks = [one.traits for one in species if one.traits.plan == plan][:DIFFERENT_PICTURES]
        looks = (looks * DIFFERENT_PICTURES)[:DIFFERENT_PICTURES]
        drawn = [draw(traits, size, i, field=False) for i, traits in enumerate(looks)]

        def drawing(i: int) -> object:
            return draw(looks[i], size, i, field=False)  # noqa: B023

        def whole(i: int) -> object:
            return encode(draw(looks[i], size, i, field=False))  # noqa: B023

        def in_field(i: int) -> object:
            return encode(draw(looks[i], size, i, field=True))  # noqa: B023

        def bound(i: int) -> object:
            return encode(drawn[i])  # noqa: B023

        a, b, c, d = (rate(work, options.seconds) for work in (drawing, whole, in_field, bound))
        print(f"| {plan} | {a:.0f} | {b:.0f} | {c:.0f} | {d:.0f} | {b / d:.2f} |", flush=True)


if __name__ == "__main__":
    main()
