"""GBIF's archives of occurrences: a row for each file of their multimedia.

The tables are read from the zip as streams. Of an occurrence the hash of its identifier stays in
memory, and a code for each thing that it says, some 60 bytes in all; each different text once. Of
the multimedia no more than a block does.
"""

import codecs
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nicheclip.darwin_core.meta import META, Described, Form, described_tables
from nicheclip.darwin_core.rows import whole_rows
from nicheclip.data.hashed_keys import NOWHERE, hashes_of, places_of
from nicheclip.data.row_stream import PARQUET
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.terms import RANKS

BLOCK = 2**24  # bytes
_LONGEST_META = 1_000_000  # bytes
_LONGEST_HEADER = 1_000_000  # bytes
_TYPES = frozenset({"Occurrence", "Multimedia"})
_ADVICE = (
    "Ask GBIF for the download as a Darwin Core archive, which has occurrence.txt and "
    "multimedia.txt, and give its zip as `path`."
)
_DAMAGED = (
    *(EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
    pl.exceptions.ComputeError,
)
#: our names and the archive's
_MEDIA = {
    "path": "identifier",
    "type": "type",
    "format": "format",
    "licence": "license",
    "rights_holder": "rightsHolder",
    "creator": "creator",
}


def write_media_rows(archive: Path, rank: str, path: Path) -> None:
    """Write a row for each file of the multimedia, in their order.

    Columns, all text: ``path`` (the URL), ``label``, ``group`` (the occurrence), ``licence``,
    ``rights_holder``, the ranks down to ``rank``, and ``reason`` against the row, or "".

    Args:
        archive: the zip.
        rank: what a class is.
        path: the Parquet file to write.

    Raises:
        InputError: it is no such archive, is damaged, or lacks a table or column.
    """
    with _opened(archive) as packed:
        core, media = _tables(packed, archive)
        occurrences = _read_occurrences(core, rank)
        with atomic_path(path) as temporary:
            first = occurrences.rows(pl.DataFrame(schema=dict.fromkeys(("id", *_MEDIA), pl.String)))
            schema = first.to_arrow().schema
            with pq.ParquetWriter(temporary, schema, **PARQUET) as writer:
                for block in media.blocks(_MEDIA, needed=("path", "type")):
                    writer.write_table(occurrences.rows(block).to_arrow().cast(schema))


@dataclass(frozen=True)
class _Table:
    """A table in an opened archive."""

    packed: zipfile.ZipFile
    member: str
    form: Form
    shown: str

    def blocks(
        self, columns: Mapping[str, str], *, needed: Sequence[str]
    ) -> Iterator[pl.DataFrame]:
        """Some rows at a time: ``id`` and the columns by our names, text without white space round
        it; what a row lacks is empty."""
        cells = self._cells(columns, needed)
        form = self.form
        header = form.separator.join(map(str, range(1 + max(form.columns.values(), default=0))))
        with _readable(self.shown), self.packed.open(self.member) as stream:
            texts: Iterator[bytes] = iter(lambda: stream.read(BLOCK), b"")
            for _ in range(form.header_lines):
                stream.readline(_LONGEST_HEADER)
            for text in whole_rows(texts, form.quote):
                yield pl.read_csv(
                    f"{header}\n".encode() + text,
                    separator=form.separator,
                    quote_char=form.quote or None,
                    infer_schema=False,
                    encoding="utf8-lossy",
                    truncate_ragged_lines=True,
                ).select(
                    cell.fill_null("").str.strip_chars().alias(ours) for ours, cell in cells.items()
                )

    def _cells(self, columns: Mapping[str, str], needed: Sequence[str]) -> dict[str, pl.Expr]:
        form, cells = self.form, dict[str, pl.Expr]()
        for ours, theirs in ({"id": "id"} | dict(columns)).items():
            default = form.defaults.get(theirs, "")
            if theirs in form.columns:
                cell = pl.col(str(form.columns[theirs]))
                if default:
                    cell = (
                        pl.when(cell.str.strip_chars() != "").then(cell).otherwise(pl.lit(default))
                    )
                cells[ours] = cell
            elif default or ours not in needed:
                cells[ours] = pl.lit(default)
            else:
                raise InputError(
                    f"{self.shown}: no column {theirs!r}, as {META} describes it; found "
                    f"{', '.join(list(form.columns)[:12])}. {_ADVICE}"
                )
        return cells


@dataclass(frozen=True)
class _Occurrences:
    """What the archive says of each occurrence, by the hash of its identifier."""

    hashes: NDArray[np.uint64]
    """Sorted."""
    facts: pl.DataFrame
    """In the same order: label, the ranks down to the label's, licence, rights_holder."""
    rank: str

    def rows(self, media: pl.DataFrame) -> pl.DataFrame:
        """A row for each of ``media``, see ``write_media_rows``."""
        places = places_of(media["id"], self.hashes)
        known = pl.Series("known", places != NOWHERE, dtype=pl.Boolean)
        said = self.facts[places].cast(pl.String)
        ranks = [name for name in said.columns if name in RANKS]
        rights = said.select(pl.col("licence", "rights_holder").name.prefix("said_"))
        rows = pl.concat(
            [media, said.select("label", *ranks), rights, known.to_frame()], how="horizontal"
        )
        own = ("label", *ranks, "said_licence", "said_rights_holder")
        rows = rows.with_columns(pl.when("known").then(pl.col(*own)).otherwise(pl.lit("")))
        return rows.select(
            pl.col("path"),
            pl.col("label"),
            _first("licence", "said_licence").alias("licence"),
            _first("rights_holder", "said_rights_holder", "creator").alias("rights_holder"),
            pl.col("id").alias("group"),
            *ranks,
            self._reason().alias("reason"),
        )

    def _reason(self) -> pl.Expr:
        kind = pl.col("type").str.to_lowercase().str.replace_all(r"^.*/|[ _]", "")
        untold = (kind == "") & pl.col("format").str.to_lowercase().str.starts_with("image/")
        still = kind.is_in(["stillimage", "image"]) | untold
        other = pl.when(kind == "").then(pl.lit("no type")).otherwise(pl.col("type"))
        return (
            pl.when(~still)
            .then(pl.format("no still image: {}", other))
            .when(pl.col("path") == "")
            .then(pl.lit("no URL"))
            .when(~pl.col("known"))
            .then(pl.lit("its occurrence is not in the archive"))
            .when(pl.col("label") == "")
            .then(pl.lit(f"its occurrence names no {self.rank}"))
            .otherwise(pl.lit(""))
        )


def _first(*columns: str) -> pl.Expr:
    """The first that says something."""
    return pl.coalesce(
        *(pl.when(pl.col(one) != "").then(pl.col(one)) for one in columns), pl.lit("")
    )


def _read_occurrences(table: _Table, rank: str) -> _Occurrences:
    ranks = RANKS[: RANKS.index(rank) + 1]
    columns = dict(zip(ranks, ranks, strict=True))
    columns |= {"licence": "license", "rights_holder": "rightsHolder"}
    hashes, facts = [], []
    for block in table.blocks(columns, needed=(rank,)):
        given = block.filter(pl.col("id") != "")
        hashes.append(hashes_of(given["id"]))
        facts.append(given.drop("id").with_columns(pl.all().cast(pl.Categorical)))
    every = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
    if not len(every):
        raise InputError(f"{table.shown}: no occurrence. Download the archive again.")
    order = np.argsort(every, kind="stable")  # of an identifier that is there twice, the first
    said = pl.concat(facts).with_columns(label=pl.col(rank))
    return _Occurrences(every[order], said[order], rank)


def _tables(packed: zipfile.ZipFile, archive: Path) -> tuple[_Table, _Table]:
    """The occurrences and their multimedia."""
    metas = [name for name in packed.namelist() if PurePosixPath(name).name == META]
    if not metas:
        raise InputError(f"{archive}: no {META} in it. {_ADVICE}")
    meta = min(metas, key=lambda name: name.count("/"))
    with _readable(f"{archive}/{meta}"), packed.open(meta) as stream:
        text = stream.read(_LONGEST_META)
    found = described_tables(text, f"{archive}/{meta}", _TYPES)
    chosen = []
    for row_type, core, usual in (
        ("Occurrence", True, "occurrence.txt"),
        ("Multimedia", False, "multimedia.txt"),
    ):
        fitting = [one for one in found if (one.row_type, one.core) == (row_type, core)]
        kind = "core" if core else "extension"
        if len(fitting) != 1 or len(fitting[0].places) != 1:
            raise InputError(
                f"{archive}/{meta}: {len(fitting)} tables of the row type {row_type} as {kind}, "
                f"expected one ({usual}). {_ADVICE}"
            )
        chosen.append(_table(packed, archive, meta, fitting[0]))
    return chosen[0], chosen[1]


def _table(packed: zipfile.ZipFile, archive: Path, meta: str, found: Described) -> _Table:
    member = PurePosixPath(meta).with_name(found.places[0]).as_posix()
    shown = f"{archive}/{member}"
    if member not in packed.namelist():
        raise InputError(f"{shown}: {META} names it, but the archive has no such member. {_ADVICE}")
    if codecs.lookup(found.form.encoding).name not in ("utf-8", "ascii"):
        raise InputError(
            f"{shown}: its encoding is {found.form.encoding}, expected UTF-8, as GBIF writes it."
        )
    return _Table(packed, member, found.form, shown)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    if not archive.is_file():
        raise InputError(f"{archive}: no such file. Set `path` to the zip that GBIF made.")
    with _readable(str(archive)):
        packed = zipfile.ZipFile(archive)
    with packed:
        yield packed


@contextmanager
def _readable(shown: str) -> Iterator[None]:
    """What is wrong with the archive, by the name of the member."""
    try:
        yield
    except _DAMAGED as error:
        raise InputError(
            f"{shown}: damaged, encrypted or no zip ({error}). Download the archive again."
        ) from error
