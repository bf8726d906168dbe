"""Memory and seconds of a data set's index at 10^4 to 10^7 samples, beside lists of Python objects.

``PYTHONPATH=src python benchmarks/scale.py [LARGEST_POWER]`` prints one table; 10^7 samples take
about two minutes and 1.2 GB of disk in the temporary folder.

``curate`` settles duplicates, splits and classes from the rows of all images; it holds the rows,
so its memory grows with them, in columns.

Each figure comes from a process of its own. Memory is what only this process has (its private
pages), over what it had after importing: a mapped file is shared and can be dropped, so it does not
count. For ``curate`` it is the most at any time, libraries included. The plain way holds, for each
sample, its ids as texts and its place in the tar as numbers, as readers with Python lists do.
"""

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
from nicheclip.data.curate import curate
from nicheclip.data.shard_reader import ShardSet
from nicheclip.data.split_index import write_split_index
from nicheclip.engine.sampling import Sampling
from nicheclip.schemas import ACQUIRED, DROPPED, INDEX_FILE, SHARD_INDEX

SAMPLES_OF_A_TAR = 10_000
CLASSES = 1_000
#: samples that a worker reads places of
READ = 10_000
MIB = 2**20


def make_indexes(folder: Path, samples: int) -> list[Path]:
    """The index of each tar, as the jobs of the shards stage write them."""
    files = []
    for start in range(0, samples, SAMPLES_OF_A_TAR):
        numbers = np.arange(start, min(start + SAMPLES_OF_A_TAR, samples))
        offsets = (numbers - start) * 60_000
        columns = [
            pa.array([f"{n:016x}" for n in numbers]),
            pa.array([f"class {n % CLASSES}" for n in numbers]),
            *(pa.array(offsets + k) for k in (512, 0, 51_200, 0)),
        ]
        files.append(folder / f"{start // SAMPLES_OF_A_TAR:05d}.parquet")
        pq.write_table(pa.table(columns, schema=SHARD_INDEX), files[-1])
    return files


def make_rows(folder: Path, samples: int) -> None:
    """What acquiring writes of each image, as it streams it: one row in fifty repeats another."""
    with pq.ParquetWriter(folder / "rows.arrow", ACQUIRED) as writer:
        for start in range(0, samples, SAMPLES_OF_A_TAR):
            numbers = np.arange(start, min(start + SAMPLES_OF_A_TAR, samples))
            count = len(numbers)
            columns = {name: pa.array([""] * count) for name in ACQUIRED.names}
            columns |= {
                "position": pa.array(numbers),
                "image_id": pa.array([f"{n:016x}" for n in numbers]),
                "key": pa.array([f"class/{n}.jpg" for n in numbers]),
                "sha256": pa.array([f"{n - (n % 50 == 49):064x}" for n in numbers]),
                "class_id": pa.array([f"class {n % CLASSES}" for n in numbers]),
                "converted": pa.array([[]] * count, pa.list_(pa.string())),
                **{c: pa.array([1] * count, pa.int32()) for c in ("width", "height", "part")},
            }
            writer.write_table(pa.table(columns, schema=ACQUIRED))
    pq.write_table(DROPPED.empty_table(), folder / "dropped.arrow")


def private_bytes() -> int:
    """Memory that this process alone has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def measure(what: str, folder: Path) -> tuple[float, int]:
    """Seconds and bytes of one step, in this process."""
    before, start = private_bytes(), time.perf_counter()
    files = sorted(folder.glob("*.parquet"))
    if what == "curate":
        names = {"catalog": "catalog.out", "classes": "classes.out"}
        outputs = {name: folder / file for name, file in names.items()}
        inputs = {"rows": folder / "rows.arrow", "dropped": folder / "dropped.arrow"}
        held = curate("scale", SplitConfig(), seed=0, **inputs, **outputs).counts
    elif what == "join":
        write_split_index(files, folder / INDEX_FILE)
    elif what == "open":
        held = ShardSet(folder)
    elif what == "plan":
        sampling = Sampling(tuple(ShardSet(folder).shard_sizes), 1024, 0)
        held = sum(len(plan.indices) for plan in sampling.plans(0, sampling.batches))
        assert held == sampling.samples
    elif what == "read":
        shards = ShardSet(folder)
        drawn = np.random.default_rng(0).integers(len(shards), size=READ)
        held = (shards, [len(shards.image_id(int(i))) for i in drawn])
    else:
        tables = [pq.read_table(file) for file in files]
        held = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    seconds = time.perf_counter() - start
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if what == "curate" else 0
    return seconds, max(peak, private_bytes()) - before


def in_a_process(what: str, folder: Path) -> tuple[float, int]:
    """``measure`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, what, str(folder)], capture_output=True, text=True, check=True
    )
    seconds, size = json.loads(done.stdout)
    return seconds, size


def main() -> None:
    """Measure and print."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    steps = ("curate", "join", "open", "plan", "read", "lists")
    print("| samples | curate | join | open | one epoch's plan | open, 10,000 reads of the index "
          "| lists of Python objects |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for power in range(4, largest + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_indexes(folder, 10**power)
            make_rows(folder, 10**power)
            cells = []
            for step in steps:
                seconds, size = in_a_process(step, folder)
                cells.append(f"{seconds:.2f} s, {size / MIB:.0f} MiB")
        print(f"| 10^{power} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
