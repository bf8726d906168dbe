"""Seconds and memory of keeping 10^4 to 10^6 images apart from 10^5 that are judged.

``PYTHONPATH=src python benchmarks/leakage.py [LARGEST_POWER]`` prints one table. Each figure comes
from a process of its own. Acquired rows are made up; a tenth of them, as far as there are so many
judged images, have the bytes of one or a near hash. Compared are bytes, versions (within 6 bits,
mirrored ones too) and species. Beside the clock stand the seconds of the processor, which other
programs lengthen less.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nicheclip.config.leakage import LeakageConfig
from nicheclip.data.acquired_rows import AcquiredPart, AcquiredRows
from nicheclip.data.leakage import Apart, JudgedData, find_shared
from nicheclip.runtime.memory import peak_resident
from nicheclip.schemas import ACQUIRED, CATALOG, CLASSES
from nicheclip.taxonomy.same_species import species_names
from nicheclip.terms import RANKS

JUDGED = 100_000
CLASSES_OF_EACH = 1_000
ROWS_AT_ONCE = 100_000


def main() -> None:
    """The whole table, or one row of it."""
    if len(sys.argv) == 3:
        print(_measure(int(sys.argv[1]), Path(sys.argv[2])))
        return
    largest = int(sys.argv[1]) if len(sys.argv) == 2 else 6
    print(
        "| images | judged | shared | clock | processor | peak memory |\n|---|---|---|---|---|---|"
    )
    for power in range(4, largest + 1):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, str(power), folder]
            print(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout, end=""
            )


def _measure(power: int, folder: Path) -> str:
    count = 10**power
    rng = np.random.default_rng(power)
    judged_hashes = rng.integers(0, 2**64, JUDGED, dtype=np.uint64)
    judged = _judged(folder, judged_hashes)
    rows = _acquired(folder, count, judged_hashes, rng)
    everything = LeakageConfig(apart_from=["judged"], by=["bytes", "versions", "species"])
    apart = Apart(everything, [judged], lambda classes: species_names(classes, None, []))
    clock, processor = time.perf_counter(), time.process_time()
    shared = find_shared(rows, np.ones(count, bool), apart, folder)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    found = int((shared.number > 0).sum())
    return (
        f"| 10^{power} | {JUDGED:,} | {found:,} | {clock:.1f} s | {processor:.1f} s "
        f"| {peak_resident() / 2**20:.0f} MiB |"
    )


def _judged(folder: Path, hashes: NDArray[np.uint64]) -> JudgedData:
    catalog = pa.table(
        {
            "sha256": [hashlib.sha256(str(i).encode()).hexdigest() for i in range(JUDGED)],
            "phash": hashes,
            "split": ["test"] * JUDGED,
        }
    )
    columns = {name: pa.array([""] * JUDGED) for name in CATALOG.names}
    columns |= {"width": pa.array([0] * JUDGED), "height": pa.array([0] * JUDGED)}
    columns |= {name: catalog[name] for name in catalog.column_names}
    files = JudgedData(folder / "catalog.parquet", folder / "classes.parquet")
    pq.write_table(pa.table(columns).select(CATALOG.names).cast(CATALOG), files.catalog)
    pq.write_table(pa.Table.from_pylist(_classes("judicata"), schema=CLASSES), files.classes)
    return files


def _classes(epithet: str) -> list[dict[str, Any]]:
    known = dict.fromkeys(RANKS, "")
    return [
        known
        | {"class_id": f"c{i}", "name": f"class {i}", "common": "", "images": 1}
        | {"genus": f"Genus{_word(i)}", "species": epithet}
        for i in range(CLASSES_OF_EACH)
    ]


def _word(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")


def _acquired(
    folder: Path, count: int, judged: NDArray[np.uint64], rng: np.random.Generator
) -> AcquiredRows:
    """Rows of which each tenth, up to a tenth of the judged ones, is one of these or near it."""
    known = _classes("alia")
    path = folder / "rows.parquet"
    with pq.ParquetWriter(path, ACQUIRED) as writer:
        for start in range(0, count, ROWS_AT_ONCE):
            numbers = np.arange(start, min(start + ROWS_AT_ONCE, count))
            hashes = rng.integers(0, 2**64, len(numbers), dtype=np.uint64)
            copied = (numbers % 10 == 0) & (numbers < JUDGED)
            hashes[copied] = judged[numbers[copied]] ^ np.uint64(0b1001)
            columns = {
                name: pa.nulls(len(numbers), ACQUIRED.field(name).type) for name in ACQUIRED.names
            }
            classes = [known[n % CLASSES_OF_EACH] for n in numbers]
            columns |= {
                name: pa.array([one[name] for one in classes])
                for name in ("class_id", "name", *RANKS)
            }
            digests = [
                hashlib.sha256(f"{n}{'' if n % 20 == 0 else 'x'}".encode()).hexdigest()
                for n in numbers
            ]
            columns |= {"sha256": pa.array(digests), "phash": pa.array(hashes)}
            columns |= {"position": pa.array(numbers), "key": pa.array([str(n) for n in numbers])}
            writer.write_table(pa.table(columns).cast(ACQUIRED))
    return AcquiredRows([AcquiredPart(path, folder / "none", [])])


if __name__ == "__main__":
    main()
