"""TransCLIP-ZS at scale: seconds and memory for made-up features, where no matrix is n x n.

    PYTHONPATH=src python benchmarks/transclip.py [--images 25000] [--classes 100] [--features 512]

Images scatter around a direction for each class, as do the class texts. Memory is what the
classification adds at most to what the process had before.
"""

import argparse
import time

import torch
from torch.nn.functional import normalize

from nicheclip.adaptation.neighbours import nearest_neighbours
from nicheclip.adaptation.transclip import transduce
from nicheclip.runtime.memory import peak_resident

#: of the images around their class, and of the texts; a length of 1 is that of the class
SPREAD, TEXT_SPREAD = 2.0, 1.0


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("images", 25_000), ("classes", 100), ("features", 512)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    centres = normalize(torch.randn(given.classes, given.features), dim=1)
    labels = torch.randint(given.classes, (given.images,))

    def around(points: torch.Tensor, spread: float) -> torch.Tensor:
        noise = torch.randn_like(points) * spread / given.features**0.5
        return normalize(points + noise, dim=1)

    images, anchors = around(centres[labels], SPREAD), around(centres, TEXT_SPREAD)
    before, used = peak_resident(), time.process_time()
    nearest_neighbours(images, 3)
    neighbours = time.process_time() - used
    began, used = time.perf_counter(), time.process_time()
    transduce(images, anchors)
    wall, used = time.perf_counter() - began, time.process_time() - used
    added = (peak_resident() - before) / 2**20
    print("| images x classes x features | seconds | CPU s | of these neighbours | memory, MiB |")
    print("|---|---|---|---|---|")
    sizes = f"{given.images:,} x {given.classes} x {given.features}"
    print(f"| {sizes} | {wall:.1f} | {used:.1f} | {neighbours:.1f} | {added:.0f} |")
    print(f"\nA matrix of all pairs would have {4 * given.images**2 / 2**20:,.0f} MiB.")


if __name__ == "__main__":
    main()
