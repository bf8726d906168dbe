"""A GPU at work: training, self-supervision, FAIR and encoding, each beside what it can be held to.

``PYTHONPATH=src python benchmarks/gpu.py [--toy] [--workers N]`` prints one table and where the
time of a step goes. On a GPU it takes eight minutes at most: what is then left is named and not
run. It needs PyTorch, open_clip and this repository alone. ``--toy`` takes a small model and few
images: on a machine without a GPU it shows that the script works.

Each row is a process of its own. Images are noise of 256 x 256 pixels, weights are random. A rate
is that of the median step, from one step of the optimiser to the next, after the first two.

bare        batches on the device: forward, loss, backward, fused AdamW in bfloat16
nicheclip   from tars: reading, decoding, cropping, tokenising, checks, log
open_clip   ``open_clip_train`` with the same model, batch, precision and images
loader      what the workers read while nothing trains
MFU         operations that a step needs a second, by FlopCounterMode, as a share of the card's peak
"""

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from gpu_sections import DEVICE, PRECISION, TOY, Row, Sizes, prepare, section

LIMIT = 480.0


def take(words: list[str], given: list[str], folder: Path, end: float) -> list[Row]:
    """The rows of a section, by a process of its own; one that says so if there were none."""
    left = end - time.monotonic()
    if left <= 0:
        return [{"what": f"{' '.join(words)}: not run, the time is up"}]
    command = [sys.executable, __file__, *given, "--section", *words, "--folder", str(folder)]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=min(left, 3600.0)
        )
    except subprocess.TimeoutExpired:
        return [{"what": f"{' '.join(words)}: stopped, the time is up"}]
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return [{"what": f"{' '.join(words)}: failed"}]
    found: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(rows: list[Row]) -> None:
    """The table, and where the time goes."""
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    print(f"| {name}, {PRECISION} | batch | images/s | of open_clip | MFU | loader | GiB |")
    print("|" + "---|" * 7)
    rates = {one["what"]: one["rate"] for one in rows if "rate" in one}
    for one in rows:
        peer_rate = rates.get(f"{one['what'].split(':')[0]}: open_clip")
        rate = one.get("rate")
        cells = [one["what"], one.get("batch", ""), f"{rate:.0f}" if rate else ""]
        cells += [f"{rate / peer_rate:.2f}" if rate and peer_rate else ""]
        cells += [f"{one['mfu']:.2f}" if one.get("mfu") else ""]
        cells += [f"{one['loader']:.0f}" if one.get("loader") else ""]
        cells += [f"{one['memory']:.1f}" if "memory" in one else ""]
        print(f"| {' | '.join(map(str, cells))} |")
    for one in rows:
        if "profile" in one:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in one["profile"])
            print(f"\n{one['what']}, share of the time by operator: {parts}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--section", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = TOY if options.toy else Sizes()
    if options.section:
        with contextlib.redirect_stdout(sys.stderr):
            found = section(options.section, sizes, options.workers, options.folder)
        print(json.dumps(found))
        return
    end = time.monotonic() + (LIMIT if DEVICE == "cuda" else math.inf)
    given = ["--toy"] * options.toy + ["--workers", str(options.workers)]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(sizes, options.workers, folder)
        for model in sizes.models:
            found = take(["clip", model], given, folder, end)
            batch = found[-1].get("batch", 64)
            rows += found + take(["open_clip", model, str(batch)], given, folder, end)
        rows += take(["dino"], given, folder, end)
        for crops in sizes.crops:
            rows += take(["fair", str(crops)], given, folder, end)
        rows += take(["encode"], given, folder, end)
    show(rows)


if __name__ == "__main__":
    main()
