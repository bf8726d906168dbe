"""Judged texts on their way into a file, and what of the accepted ones is kept in memory."""

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nicheclip.captions.candidates import Candidate
from nicheclip.captions.gates import Judgement
from nicheclip.captions.repeats import TextKeys
from nicheclip.captions.shortfall import Shortfall
from nicheclip.captions.splits import PLACES, Keys, Numbers
from nicheclip.runtime.files import atomic_path
from nicheclip.schemas import CAPTIONS
from nicheclip.terms import SPLITS

ROWS_AT_ONCE = 10_000
IMAGES_AT_ONCE = 1 << 18


class Accepted:
    """Of each accepted caption three numbers: 20 bytes."""

    def __init__(self) -> None:
        self._classes, self._whole, self._read = array("i"), array("Q"), array("Q")

    def __len__(self) -> int:
        return len(self._classes)

    def add(self, class_number: int, keys: TextKeys) -> None:
        """Take in a caption of a class that is known by its number."""
        self._classes.append(class_number)
        self._whole.append(keys.whole)
        self._read.append(keys.read)

    @property
    def classes(self) -> Numbers:
        """The number of each one's class [n]."""
        return np.frombuffer(self._classes, np.int32).astype(np.int64)

    @property
    def whole(self) -> Keys:
        """See ``TextKeys`` [n]."""
        return np.frombuffer(self._whole, np.uint64)

    @property
    def read(self) -> Keys:
        """See ``TextKeys`` [n]."""
        return np.frombuffer(self._read, np.uint64)


def caption_row(candidate: Candidate, judgement: Judgement) -> dict[str, Any]:
    """A row of schema ``CAPTIONS``, without a split."""
    request, reply = candidate.request, candidate.reply
    return {
        "class_id": request.class_id,
        "image_id": request.image_id,
        "sample": candidate.sample,
        "text": judgement.text,
        "model": reply.model,
        "digest": reply.digest,
        "server": reply.server,
        "prompt": request.prompt,
        "options": reply.options,
        "raw": reply.text,
        "done_reason": reply.done_reason,
        "verdict": "accepted" if judgement.accepted else "rejected",
        "reasons": judgement.reasons,
        "notes": judgement.notes,
        "split": None,
    }


def splits_of_images(judged: Path, catalog: pa.Table) -> Numbers:
    """The split of the image of each accepted text, a place in ``SPLITS`` (schema CATALOG)."""
    ids = catalog["image_id"].combine_chunks()
    splits = pc.index_in(catalog["split"], value_set=pa.array(SPLITS)).to_numpy()
    found = [np.zeros(0, np.int64)]
    with pq.ParquetFile(judged) as opened:
        for batch in opened.iter_batches(IMAGES_AT_ONCE, columns=["image_id", "verdict"]):
            accepted = batch.filter(pc.equal(batch["verdict"], "accepted"))["image_id"]
            found.append(splits[pc.index_in(accepted, value_set=ids).to_numpy()].astype(np.int64))
    return np.concatenate(found)


def write_with_splits(judged: Path, splits: Numbers, taken: Numbers, target: Path) -> None:
    """Write rows of ``caption_row`` once more, with the split of each accepted text.

    Args:
        judged: the file of judged texts.
        splits: a place in ``PLACES`` for each accepted text [n], in their order.
        taken: where the same text is used already [n]; elsewhere the text is rejected.
        target: schema ``CAPTIONS``.

    Raises:
        InputError: a class is left without an accepted text.
    """
    start, shortfall = 0, Shortfall()
    with (
        atomic_path(target) as temporary,
        pq.ParquetFile(judged) as opened,
        pq.ParquetWriter(
            temporary, CAPTIONS, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        for batch in opened.iter_batches(ROWS_AT_ONCE):
            accepted = pc.equal(batch["verdict"], "accepted").to_numpy(zero_copy_only=False)
            here = slice(start, start + int(accepted.sum()))
            start = here.stop
            names = np.full(len(batch), None, object)
            names[accepted] = np.array(PLACES, object)[splits[here]]
            table = pa.Table.from_batches([batch]).drop_columns("split")
            table = table.append_column(CAPTIONS.field("split"), pa.array(names, pa.string()))
            if (splits[here] != taken[here]).any():
                used = np.full(len(batch), None, object)
                used[accepted] = np.array(PLACES, object)[taken[here]]
                rows = map(_without_text_of_another_split, table.to_pylist(), used)
                table = pa.Table.from_pylist(list(rows), schema=CAPTIONS)
            for class_id, reasons in zip(
                table["class_id"].to_pylist(), table["reasons"].to_pylist(), strict=True
            ):
                shortfall.add(class_id, reasons)
            writer.write_table(table)
        shortfall.check()


def _without_text_of_another_split(row: dict[str, Any], used: str | None) -> dict[str, Any]:
    if row["split"] == used:
        return row
    reason = f"crosses_splits: an image of {used} has this text"
    return row | {"verdict": "rejected", "reasons": [*row["reasons"], reason], "split": None}
