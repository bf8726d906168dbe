"""Seconds and memory to resolve and flatten ten million rows against a checklist of 450,000 taxa.

    PYTHONPATH=src python benchmarks/taxonomy_resolve.py [--taxa 450000] [--rows 1000000 3000000 ..]

The rows repeat as observations do (Zipf over the taxa, most taxa seldom); a part of them carries
authors, synonyms, another kingdom's name, a genus inside the species, or no species or genus at
all. The bound is what Polars needs to read the same rows, join a table of the same lineages that is
ready made, and write the same columns: no name is read and none is resolved. Each measurement is a
process of its own; the memory is that process's peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from nicheclip.schemas import TAXA
from nicheclip.taxonomy.providers.checklist import assemble
from nicheclip.taxonomy.resolve_table import resolve_table, taxa_of, write_texts
from nicheclip.terms import RANKS

SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo")
SYNONYMS = 0.15
CHUNK = 1_000_000


def words(numbers: np.ndarray, ending: str) -> pl.Series:
    """A different pseudo-Latin word for each number."""
    parts = np.array(SYLLABLES, dtype=object)
    text = np.full(len(numbers), "", dtype=object)
    rest = numbers.copy()
    for _ in range(5):
        text = text + parts[rest % len(parts)]
        rest //= len(parts)
    return pl.Series(text.astype(str)) + ending


def checklist_rows(taxa: int) -> pl.DataFrame:
    """A flat checklist: species in genera of about ten, families of about a hundred; synonyms."""
    number = np.arange(taxa)
    genus = words(number // 10, "us").str.to_titlecase()
    family = words(number // 100, "idae").str.to_titlecase()
    columns = {
        "kingdom": pl.Series(np.where(number % 3 == 0, "Plantae", "Animalia")),
        "phylum": words(number // 40_000, "ata").str.to_titlecase(),
        "class": words(number // 8_000, "opsida").str.to_titlecase(),
        "order": words(number // 1_000, "ales").str.to_titlecase(),
        "family": family,
        "genus": genus,
    }
    epithet = words(number * 7919 % (14**5), "ensis")
    species = pl.DataFrame(columns | {"epithet": epithet}).with_columns(
        name=pl.concat_str("genus", "epithet", separator=" "),
        source_id=pl.Series(number).cast(pl.String),
        rank=pl.lit("species"),
        accepted_id=pl.lit(None, dtype=pl.String),
    )
    rng = np.random.default_rng(1)
    synonyms = species.filter(pl.Series(rng.random(taxa) < SYNONYMS)).with_columns(
        accepted_id="source_id",
        source_id=pl.lit("s") + pl.col("source_id"),
        name=pl.lit("Vetus") + pl.col("genus").str.to_lowercase() + pl.lit(" ") + pl.col("epithet"),
    )
    above = [
        species.unique(rank, keep="first", maintain_order=True).with_columns(
            name=rank, rank=pl.lit(rank), source_id=pl.lit(f"{rank}-") + pl.col(rank)
        )
        for rank in RANKS[:6]
    ]
    return pl.concat([species, synonyms, *above]).drop("epithet").with_row_index("line", offset=2)


def write_rows(names: pl.DataFrame, count: int, path: Path) -> None:
    """``count`` observations of the names, in row groups of a million."""
    rng = np.random.default_rng(2)
    species = names.filter(pl.col("rank") == "species")
    order = rng.permutation(len(species))
    writers = []
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        drawn = np.minimum(rng.zipf(1.15, size) - 1, 10**12) % len(species)
        spread = np.where(rng.random(size) < 0.3, rng.integers(len(species), size=size), drawn)
        chosen = species[order[spread]]
        kind = pl.Series(rng.random(size))
        full = (
            pl.when(kind < 0.1)
            .then(pl.col("canonical") + pl.lit(" (Linnaeus, 1758)"))
            .when(kind < 0.25)
            .then("canonical")
            .when((kind < 0.4) & (pl.col("status") == "accepted"))
            .then(pl.lit(""))
            .otherwise(pl.col("canonical").str.extract(r" (.*)$"))
        )
        binomial = pl.col("canonical").str.extract(r"^(\S+)")
        kingdom = pl.when((kind > 0.9) & (pl.col("kingdom") == "Animalia")).then(pl.lit("Metazoa"))
        chosen = chosen.with_columns(
            species=full,
            genus=pl.when(kind < 0.05).then(pl.lit("")).when((kind > 0.3) & (kind < 0.4))
            .then(pl.lit("")).otherwise(binomial),
            kingdom=pl.coalesce(kingdom, "kingdom"),
            image_id=pl.Series(np.arange(start, start + size)).cast(pl.String),
        )  # fmt: skip
        part = path.with_suffix(f".{start}.parquet")
        chosen.select("image_id", *RANKS).write_parquet(part)
        writers.append(part)
    pl.scan_parquet(writers).sink_parquet(path)
    for part in writers:
        part.unlink()


def resolved(folder: Path, rows: Path) -> dict[str, float]:
    """One run of ours: resolve every row, write taxa and texts."""
    names = pl.read_parquet(folder / "names.parquet")
    output = folder / "resolved.parquet"
    resolutions = resolve_table(rows, names, providers=["made"], keep=["image_id"], output=output)
    taxa = taxa_of(resolutions)
    taxa.select(TAXA.names).write_parquet(folder / "taxa.parquet")
    write_texts(taxa, folder / "texts.parquet")
    resolutions.write_parquet(folder / "resolutions.parquet")
    found = resolutions["resolution"].value_counts().sort("resolution")
    return {"lineages": len(resolutions), "taxa": len(taxa)} | dict(found.iter_rows())


def joined(folder: Path, rows: Path) -> dict[str, float]:
    """The bound: the same rows joined to the answers of the run before."""
    answers = pl.scan_parquet(folder / "resolutions.parquet").select(
        *(pl.col(f"given_{rank}").alias(rank) for rank in RANKS), "taxon_id", "resolution"
    )
    table = pl.scan_parquet(rows).join(answers, on=list(RANKS), how="left")
    table.select("image_id", "taxon_id", "resolution").sink_parquet(folder / "joined.parquet")
    return {}


def measured(task: str, folder: Path, rows: Path) -> dict[str, float]:
    """Seconds, peak memory in GiB and counts of one task in a process of its own."""
    command = [sys.executable, __file__, "--task", task, "--folder", folder, "--table", rows]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def run_task(task: str, folder: Path, rows: Path) -> None:
    """What the processes of ``measured`` do."""
    start = time.perf_counter()
    counts = resolved(folder, rows) if task == "resolve" else joined(folder, rows)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "peak": peak} | counts))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taxa", type=int, default=450_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(options.task, options.folder, options.table)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        rows = checklist_rows(options.taxa)
        names = assemble(rows, provider="made", file=Path("made")).names
        names.write_parquet(folder / "names.parquet")
        seconds = time.perf_counter() - start
        print(f"checklist: {len(names):,} names, made and read in {seconds:.1f} s")
        print(f"{pl.thread_pool_size()} threads\n")
        print("| rows | lineages | taxa | seconds | peak GiB | rows/s | join alone, s | ratio |")
        print("|--:|--:|--:|--:|--:|--:|--:|--:|")
        for count in options.rows:
            table = folder / f"{count}.parquet"
            write_rows(names, count, table)
            ours = measured("resolve", folder, table)
            bound = measured("join", folder, table)
            print(
                f"| {count:,} | {ours['lineages']:,} | {ours['taxa']:,} | {ours['seconds']:.1f} "
                f"| {ours['peak']:.2f} | {count / ours['seconds']:,.0f} | {bound['seconds']:.1f} "
                f"| {ours['seconds'] / bound['seconds']:.1f} |",
                flush=True,
            )
            table.unlink()
        known = ("exact", "homonym-by-context", "synonym", "higher-rank", "unresolved")
        shown = ", ".join(f"{key} {ours[key]:,}" for key in known if key in ours)
        print(f"\nlineages by resolution, last row: {shown}")


if __name__ == "__main__":
    main()
