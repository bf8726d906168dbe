"""Captions beside their images, in the report."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nicheclip.data.image_set import ImageSet
from nicheclip.plan.page_request import CaptionPart
from nicheclip.reporting.caption_measures import drawn
from nicheclip.reporting.thumbnails import thumbnail
from nicheclip.runtime.seeding import generator

#: captions that are shown of a source
SHOWN = 30


def shown_captions(part: CaptionPart, most: int = SHOWN) -> list[dict[str, Any]]:
    """Rows drawn at random, half of them rejected ones where there are so many."""
    rejected = drawn(part, most // 2, pl.col("verdict") == "rejected")
    accepted = drawn(part, most - len(rejected), pl.col("verdict") == "accepted")
    return [*accepted.iter_rows(named=True), *rejected.iter_rows(named=True)]


def gallery(part: CaptionPart) -> str:
    """Some captions beside their images."""
    rows = shown_captions(part)
    pictures = _pictures(part, rows)
    figures = []
    for row, picture in zip(rows, pictures, strict=True):
        text = row["text"] or row["raw"]
        why = f'<br><span class="wrong">{html.escape("; ".join(row["reasons"]))}</span>'
        figures.append(
            f'<figure class="{row["verdict"]}">'
            + (f'<img src="{picture}" alt="">' if picture else '<div class="none"></div>')
            + f"<figcaption>{html.escape(text[:400])}<br>"
            + f'<span class="muted">{html.escape(row["class_id"])}</span>'
            + f"{why if row['reasons'] else ''}</figcaption></figure>"
        )
    return f'<div class="captions">{"".join(figures)}</div>'


def _pictures(part: CaptionPart, rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The image of each caption; of one of a class, any image of that class."""
    images = pl.scan_parquet(part.catalog).select("image_id", "class_id", "split")
    ids = [row["image_id"] for row in rows if row["image_id"]]
    classes = [row["class_id"] for row in rows if not row["image_id"]]
    few = (
        images.filter(pl.col("image_id").is_in(ids) | pl.col("class_id").is_in(classes))
        .collect()
        .sort("image_id")
    )
    place = dict(few.select("image_id", "split").iter_rows())
    of_class: dict[str, list[str]] = {}
    for image_id, class_id in few.select("image_id", "class_id").iter_rows():
        of_class.setdefault(class_id, []).append(image_id)
    draw = generator("captions", part.name, "images")
    chosen = []
    for row in rows:
        own = of_class.get(row["class_id"], [])
        chosen.append(row["image_id"] or (own[draw.integers(len(own))] if own else None))
    sets = {split: ImageSet(Path(part.images) / split) for split in set(place.values())}
    return [None if one is None else _thumbnail(sets[place[one]], one) for one in chosen]


def _thumbnail(images: ImageSet, image_id: str) -> str:
    return thumbnail(images.read(images.rows_of([image_id])[image_id]).encoded)
