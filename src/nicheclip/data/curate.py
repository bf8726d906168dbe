"""From what was acquired to a catalog, its classes and its splits; no image is read.

The rows of all parts are streamed, once for each decision: which repeat others, which split each is
in, and at last into the catalog, the classes and the indexes of the splits. What is held for each
row is the decisions: a few bytes. What has to be compared or sorted lies in buckets on disk.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredPart, AcquiredRows
from nicheclip.data.catalog_writer import CatalogWriter
from nicheclip.data.class_tally import ClassTally
from nicheclip.data.draw import TEST, TRAIN
from nicheclip.data.image_groups import kept_together, near_duplicates
from nicheclip.data.leakage import Apart, find_shared, settle
from nicheclip.data.left_out import LeftOut
from nicheclip.data.near_duplicates import Groups
from nicheclip.data.repeated_images import describe, find_repeats
from nicheclip.data.sources.base import readable
from nicheclip.data.split_files import write_splits
from nicheclip.data.splits import choose_splits, split_names
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped, Tally
from nicheclip.schemas import CLASSES
from nicheclip.terms import RANKS, SPLITS, UNLABELLED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CurateReport:
    """What was kept and what was not."""

    counts: dict[str, int]
    """Images, classes, images of each split, near duplicates, and converted images by what was
    changed."""
    dropped: Tally
    """While acquiring and here, in the order of the source; all are counted, and the first listed
    (``left_out``)."""
    noted: list[Dropped]
    """What is doubtful about the data set."""


def curate(
    name: str,
    split: SplitConfig,
    *,
    seed: int,
    parts: Sequence[AcquiredPart],
    folder: Path,
    expected: Mapping[str, int] = MappingProxyType({}),
    unlabelled: Sequence[str] = (),
    apart: Apart | None = None,
) -> CurateReport:
    """Join what was acquired into a catalog, classes and splits.

    Of images with the same bytes the first in the source stays. A later one under another label is
    dropped too: its class cannot be judged. A class keeps the ranks on which all its images agree.

    Args:
        name: of the data set.
        split: how images are split.
        seed: of the splits.
        parts: of the data set.
        folder: receives ``catalog.parquet`` (schema ``CATALOG``, by image id), ``classes.parquet``
            (schema ``CLASSES``, by class id) and a folder for each split (``split_files``).
        expected: images that the source should have in each split (`all`: in all), if any.
        unlabelled: the names of the classes, where no image says which it belongs to.
        apart: what it must stay apart from, if anything.

    Raises:
        InputError: the source names a key twice, lacks a split that must be given, leaves no image
            or fewer than two classes, or shares images with what it must stay apart from.
    """
    rows = AcquiredRows(parts)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        spool = Path(files.enter_context(tempfile.TemporaryDirectory(prefix=".", dir=folder)))
        repeats = find_repeats(rows, spool)
        left_out = LeftOut()
        for dropped in rows.dropped():
            left_out.add(dropped)
        describe(repeats, rows, left_out)
        kept = repeats.kept
        if apart is not None:
            shared = find_shared(rows, kept, apart, spool)
            settle(name, shared, rows, apart.config, left_out)
            kept &= shared.number == 0
        photographs = near_duplicates(rows, kept, split.near_duplicate_bits, spool)
        groups = kept_together(rows, kept, photographs, split)
        splits = choose_splits(rows, kept, split, groups=groups, seed=seed, spool=spool)
        images = int((splits >= 0).sum())
        catalog, tally = CatalogWriter(name, spool, images), ClassTally()
        noted = _Notes()
        _stream(rows, splits, catalog, tally, noted)
        classes = _without_images(unlabelled) if unlabelled else tally.table()
        if classes.height < 2 or not images:
            raise InputError(_too_few(name, images, classes["class_id"].to_list(), left_out.counts))
        catalog_path = files.enter_context(atomic_path(folder / "catalog.parquet"))
        classes_path = files.enter_context(atomic_path(folder / "classes.parquet"))
        catalog.finish(catalog_path, rows)
        pq.write_table(classes.to_arrow().cast(CLASSES), classes_path, compression="zstd")
        labels = classes["class_id"].to_list() + [UNLABELLED] * bool(unlabelled)
        write_splits(folder, rows, splits, labels, spool)
    counts = {"images": images, "classes": classes.height}
    counts |= {one: int((splits == number).sum()) for number, one in enumerate(SPLITS)}
    if left := int(kept.sum()) - images:
        counts["in no split"] = left
    counts |= _twins(name, photographs, splits)
    doubts = [*_unexpected(name, noted.given, expected), *tally.doubts()]
    doubts += _doubtful_set(name, split, noted.given, images=images, classes=len(unlabelled))
    for one in doubts:
        log.warning("%s: %s: %s", name, one.key, one.reason)
    return CurateReport(counts | noted.conversions(), left_out.tally(), doubts)


def _doubtful_set(
    name: str, split: SplitConfig, given: Mapping[str, int], *, images: int, classes: int
) -> list[Dropped]:
    """What is doubtful of the whole set; ``given``: images of each split as the source has them."""
    reasons = []
    if split.method != "given" and given.keys() - {"all"}:
        reasons.append(
            f"the source names splits, and others were drawn (split.method: {split.method}); "
            "`split: {method: given}` keeps its own"
        )
    if images < classes:
        reasons.append(
            f"{images} images for {classes} classes: some have none; is a class too many?"
        )
    return [Dropped(key=name, reason=reason) for reason in reasons]


def _without_images(names: Sequence[str]) -> pl.DataFrame:
    """Classes (schema ``CLASSES``) that are known by name alone."""
    rows = [
        {
            "class_id": name,
            "name": readable(name),
            **dict.fromkeys(RANKS, ""),
            "common": "",
            "images": 0,
        }
        for name in sorted(names)
    ]
    return pl.DataFrame(rows).select(CLASSES.names)


def _twins(name: str, photographs: Groups | None, splits: NDArray[np.int8]) -> dict[str, int]:
    """Images that are versions of others, and those for test of which a version trains."""
    if photographs is None:
        return {}
    mine = splits[photographs.rows]
    trains = np.zeros(photographs.count, bool)
    trains[photographs.numbers[mine == TRAIN]] = True
    judged = int((trains[photographs.numbers] & (mine == TEST)).sum())
    if judged:
        log.warning(
            "%s: of %d images for test, %d have a near duplicate that trains. To keep versions of "
            "a photograph in one split, set split.keep_together: [near_duplicates].",
            name,
            (splits == TEST).sum(),
            judged,
        )
    return {
        "near duplicates": len(photographs.rows),
        "near duplicates of train in test": judged,
    }


class _Notes:
    """What is counted while the rows stream by."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()
        """Acquired images by the split that the source names."""
        self._converted: Counter[str] = Counter()

    def conversions(self) -> dict[str, int]:
        """Converted images that are kept, by what was changed."""
        return {f"converted: {what}": n for what, n in sorted(self._converted.items())}

    def add(self, rows: pl.DataFrame, kept: pl.DataFrame) -> None:
        """Count acquired rows, and those that are kept."""
        self.given.update(dict(rows["split"].fill_null("all").value_counts().iter_rows()))
        self._converted.update(kept["converted"].explode().drop_nulls().to_list())


def _stream(
    rows: AcquiredRows,
    splits: NDArray[np.int8],
    catalog: CatalogWriter,
    tally: ClassTally,
    noted: _Notes,
) -> None:
    """Give the kept rows, with their splits, to all that are made of them."""
    for where, frame in rows.batches():
        kept = splits[where] >= 0
        chosen = frame.filter(pl.Series(kept))
        noted.add(frame, chosen)
        chosen = chosen.with_columns(split_names(splits[where][kept]))
        catalog.add(chosen)
        tally.add(chosen)


def _unexpected(name: str, found: Counter[str], expected: Mapping[str, int]) -> list[Dropped]:
    """A note where the registry expects other numbers of images than the source gave."""
    if not expected or dict(found) == dict(expected):
        return []
    gave = dict(sorted(found.items()))
    reason = f"the registry expects {dict(expected)} images, the source gave {gave}"
    return [Dropped(key=name, reason=reason)]


def _too_few(name: str, kept: int, classes: Sequence[str], reasons: Counter[str]) -> str:
    summary = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    return (
        f"{name}: {kept} images are left, of {', '.join(classes) or 'no class'}; at least two "
        f"classes are needed. Dropped: {summary or 'nothing'}. Check the source's path and layout."
    )
