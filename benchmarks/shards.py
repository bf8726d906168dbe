"""Writing of stored images beside webdataset's writer, on one thread.

``PYTHONPATH=src python benchmarks/shards.py`` prints a table. Images are noise with the spectrum of
photographs, JPEG of quality 90, of 500 x 375 and of 1000 x 750 pixels, read from memory. Ours is
``acquire`` with all that it writes: tars, rows with sha256 and perceptual hash, what was left out.
The peer is ``webdataset.TarWriter`` with the same check or resizing by Pillow, and sha256. All is
measured in one process, in turns, by the processor's time, so that others on the machine do not
count; the fastest turn counts.
"""

import hashlib
import io
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from time import process_time

import loader
import numpy as np
import webdataset as wds
from PIL import Image

from nicheclip.config.data import ImageConfig
from nicheclip.data.acquire import PartFiles, acquire
from nicheclip.data.sources.base import SourceImage

IMAGES, TURNS, EDGE, QUALITY = 192, 7, 224, 95
#: ways that decode nothing write so many times as many, since opening files counts as well
LIGHT = 5
WITHOUT_DECODING = ("copy and sha256", "copy twice and sha256", "ours, check: header")

Step = Callable[[bytes], bytes]


def photographs(scale: int) -> list[bytes]:
    """Of 500 x 375 pixels times ``scale``; a few, each several times, as drawing them is slow."""
    made = [loader.photograph(number) for number in range(12)]
    if scale > 1:
        made = [_larger(jpg, scale) for jpg in made]
    return made * (IMAGES // len(made))


def _larger(jpg: bytes, scale: int) -> bytes:
    """Its mirror images beside it, so that the edge of the copies does not show."""
    tile = np.asarray(Image.open(io.BytesIO(jpg)))
    row = np.concatenate([tile[:, :: 1 if i % 2 == 0 else -1] for i in range(scale)], axis=1)
    whole = np.concatenate([row[:: 1 if i % 2 == 0 else -1] for i in range(scale)])
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, "JPEG", quality=loader.QUALITY)
    return stream.getvalue()


def decoded(data: bytes) -> bytes:
    """The image as it came, after a full decode."""
    Image.open(io.BytesIO(data)).load()
    return data


def squashed(data: bytes, *, scaled: bool = False) -> bytes:
    """The image as a square; ``scaled``: decoded at the least scale that has its pixels."""
    image = Image.open(io.BytesIO(data))
    if scaled:
        image.draft(None, (EDGE, EDGE))
    stream = io.BytesIO()
    square = image.resize((EDGE, EDGE), Image.Resampling.BICUBIC)
    square.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def peer(folder: Path, jpgs: Sequence[bytes], step: Step) -> None:
    """webdataset's writer."""
    with wds.TarWriter(str(folder / "peer.tar")) as tar:
        for number, jpg in enumerate(jpgs):
            digest = hashlib.sha256(jpg).hexdigest()
            tar.write({"__key__": f"{number:08d}", "jpg": step(jpg), "sha256": digest})


def copied(folder: Path, jpgs: Sequence[bytes]) -> None:
    """All bytes into one file, and their sha256."""
    with (folder / "copy").open("wb") as file:
        for jpg in jpgs:
            file.write(hashlib.sha256(jpg).digest())
            file.write(jpg)


def copied_twice(folder: Path, jpgs: Sequence[bytes]) -> None:
    """What an order that is known at the end cannot do without: one file, then another of it."""
    copied(folder, jpgs)
    starts = [0, *accumulate(len(jpg) + 32 for jpg in jpgs)]
    order = random.Random(0).sample(range(len(jpgs)), len(jpgs))
    with (folder / "copy").open("rb") as file, (folder / "again").open("wb") as again:
        for i in order:
            again.write(os.pread(file.fileno(), starts[i + 1] - starts[i], starts[i]))


def bare(jpgs: Sequence[bytes]) -> None:
    """Decode and encode alone."""
    for jpg in jpgs:
        squashed(jpg, scaled=True)


def ours(folder: Path, jpgs: Sequence[bytes], config: ImageConfig) -> None:
    """``acquire`` of one part, on one thread."""
    files = PartFiles.of(folder / "ours", part=0, tars=2)
    files.tars[0].parent.mkdir(parents=True, exist_ok=True)
    items = ((i, SourceImage(f"{i}", jpg, f"class {i % 5}")) for i, jpg in enumerate(jpgs))
    counts = acquire("shards", items, image=config, files=files)
    if counts["images"] != len(jpgs):
        sys.exit(f"error: {counts}")


def measure(scale: int) -> dict[str, float]:
    """Images in a second of the processor, by way; ways take turns."""
    jpgs = photographs(scale)
    many = jpgs * LIGHT
    checks = {c: ImageConfig.model_validate({"check": c}) for c in ("full", "scaled", "header")}
    square = ImageConfig.model_validate({"resize": {"edge": EDGE, "how": "squash"}})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, Callable[[], None]] = {
            "webdataset, full decode": lambda: peer(folder, jpgs, decoded),
            "copy and sha256": lambda: copied(folder, many),
            "copy twice and sha256": lambda: copied_twice(folder, many),
            "webdataset, resize": lambda: peer(folder, jpgs, squashed),
            "decode at a scale, resize, encode": lambda: bare(jpgs),
            "ours, check: full": lambda: ours(folder, jpgs, checks["full"]),
            "ours, check: scaled": lambda: ours(folder, jpgs, checks["scaled"]),
            "ours, check: header": lambda: ours(folder, many, checks["header"]),
            "ours, resize": lambda: ours(folder, jpgs, square),
        }
        rates = dict.fromkeys(ways, 0.0)
        for _ in range(TURNS):
            for way, run in ways.items():
                start = process_time()
                run()
                count = len(many) if way in WITHOUT_DECODING else len(jpgs)
                rates[way] = max(rates[way], count / (process_time() - start))
    return rates


def main() -> None:
    """Measure and print."""
    wanted = {
        "ours, check: full": ["webdataset, full decode"],
        "ours, check: scaled": ["webdataset, full decode"],
        "ours, check: header": [
            "copy and sha256",
            "copy twice and sha256",
            "webdataset, full decode",
        ],
        "ours, resize": ["webdataset, resize", "decode at a scale, resize, encode"],
    }
    print("| pixels | way | images/s | of | images/s | ratio |")
    print("|---|---|---|---|---|---|")
    for scale in (1, 2):
        rates = measure(scale)
        pixels = f"{loader.WIDTH * scale} x {loader.HEIGHT * scale}"
        for way, peers in wanted.items():
            for other in peers:
                cells = f"{rates[way]:.0f} | {other} | {rates[other]:.0f}"
                print(f"| {pixels} | {way} | {cells} | {rates[way] / rates[other]:.2f} |")


if __name__ == "__main__":
    main()
