"""Memory and seconds of a data set's tables at 10^4 to 10^7 images, beside lists of Python objects.

``PYTHONPATH=src python benchmarks/scale.py [LARGEST_POWER]`` prints one table; 10^7 images take
some minutes and 4 GB of disk in the temporary folder.

``curate`` makes catalog, classes and splits of the rows that acquiring wrote. The others use what
it made: ``open`` maps the train split, ``plan`` is every batch of one epoch, ``read`` looks up the
places of 10,000 images. Each figure comes from a process of its own. Memory is what only this
process has (its private pages), over what it had after importing: a mapped file is shared and can
be dropped, so it does not count. For ``curate`` it is the most at any time, libraries included, and
the seconds of the processor stand beside those of the clock: others may use the machine. The plain
way holds, for each image, its id, class and place in the tar as Python objects.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.engine.sampling import Sampling
from nicheclip.schemas import ACQUIRED, DROPPED

IMAGES_OF_A_TAR = 10_000
IMAGES_OF_A_PART = 1_000_000
CLASSES = 1_000
#: images that a worker reads places of
READ = 10_000
MIB = 2**20


def digest(number: int) -> str:
    """Stands for the sha256 of an image."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def make_part(folder: Path, part: range) -> None:
    """What acquiring a part writes of each image: one row in fifty repeats another."""
    folder.mkdir()
    with pq.ParquetWriter(folder / "rows.parquet", ACQUIRED, compression="zstd") as writer:
        for start in range(part.start, part.stop, IMAGES_OF_A_TAR):
            numbers = np.arange(start, min(start + IMAGES_OF_A_TAR, part.stop))
            count = len(numbers)
            ids = [digest(-1 - int(n))[:16] for n in numbers]
            columns = {name: pa.array([""] * count) for name in ACQUIRED.names}
            columns |= {name: pa.nulls(count, pa.string()) for name in ("split", "group")}
            labels = pa.array([f"class {n % CLASSES:03d}" for n in numbers])
            columns |= {
                "position": pa.array(numbers),
                "image_id": pa.array(ids),
                "key": pa.array([f"class/{n}.jpg" for n in numbers]),
                "sha256": pa.array([digest(int(n - (n % 50 == 49))) for n in numbers]),
                "phash": pa.array([int(i, 16) for i in ids], pa.uint64()),
                "class_id": labels,
                "name": labels,
                "converted": pa.array([[]] * count, pa.list_(pa.string())),
                "tar": pa.array([start // IMAGES_OF_A_TAR] * count, pa.int32()),
                "offset": pa.array((numbers - start) * 60_000 + 512),
                **{c: pa.array([500] * count, pa.int32()) for c in ("width", "height", "size")},
            }
            writer.write_table(pa.table(columns, schema=ACQUIRED))
    pq.write_table(DROPPED.empty_table(), folder / "dropped.parquet")


def parts_of(folder: Path) -> list[AcquiredPart]:
    """What ``make_part`` wrote."""
    parts, first = [], 0
    for place in sorted(folder.glob("part-*")):
        tars = range(first, first + pq.read_metadata(place / "rows.parquet").num_row_groups)
        names = [f"{tar}.tar" for tar in tars]
        parts.append(AcquiredPart(place / "rows.parquet", place / "dropped.parquet", names))
        first = tars.stop
    return parts


def private_bytes() -> int:
    """Memory that this process alone has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def measure(what: str, folder: Path) -> tuple[float, float, int]:
    """Seconds, those of the processor, and bytes of one step, in this process."""
    before, start, used = private_bytes(), time.perf_counter(), time.process_time()
    train = folder / "out/train"
    if what == "curate":
        curate("scale", SplitConfig(), seed=0, parts=parts_of(folder), folder=folder / "out")
    elif what == "open":
        held = ImageSet(train), Labels(train)
    elif what == "plan":
        sampling = Sampling(tuple(ImageSet(train).tar_sizes), 1024, 0)
        held = sum(len(plan.indices) for plan in sampling.plans(0, sampling.batches))
        assert held == sampling.samples
    elif what == "read":
        images, labels = ImageSet(train), Labels(train)
        drawn = np.random.default_rng(0).integers(len(images), size=READ)
        held = (images, [(images.image_id(int(i)), labels.number(int(i))) for i in drawn])
    else:
        wanted = ["image_id", "class_id", "tar", "offset", "size"]
        tables = [pq.read_table(part.rows, columns=wanted) for part in parts_of(folder)]
        held = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    seconds, used = time.perf_counter() - start, time.process_time() - used
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if what == "curate" else 0
    return seconds, used, max(peak, private_bytes()) - before


def in_a_process(what: str, folder: Path) -> str:
    """``measure`` in a process of its own, as a cell of the table."""
    done = subprocess.run(
        [sys.executable, __file__, what, str(folder)], capture_output=True, text=True, check=True
    )
    seconds, used, size = json.loads(done.stdout)
    processor = f" ({used:.2f} s of the processor)" if what == "curate" else ""
    return f"{seconds:.2f} s{processor}, {size / MIB:.0f} MiB"


def main() -> None:
    """Measure and print."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| images | curate | open | one epoch's plan | open, 10,000 look-ups "
          "| lists of Python objects |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for power in range(4, largest + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for number, start in enumerate(range(0, 10**power, IMAGES_OF_A_PART)):
                part = range(start, min(start + IMAGES_OF_A_PART, 10**power))
                make_part(folder / f"part-{number:03d}", part)
            steps = ("curate", "open", "plan", "read", "lists")
            cells = [in_a_process(step, folder) for step in steps]
        print(f"| 10^{power} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
