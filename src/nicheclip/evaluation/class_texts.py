"""The text side of zero-shot classification: one embedding per class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from nicheclip.models.features import Array, l2_normalise
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CAPTIONS, EVERY_SPLIT, TEXTS, read_table

#: texts to features [n, d] of length 1
TextEncoder = Callable[[Sequence[str]], Array]

#: texts encoded before they are added up, so that memory does not grow with classes x templates
CHUNK = 16_384


@dataclass(frozen=True)
class ClassEmbeddings:
    """One vector per class."""

    class_ids: list[str]
    """C ids, sorted."""
    embeddings: Array
    """[C, d], each row of length 1."""


def read_templates(path: Path | str) -> list[str]:
    """The list ``templates`` of a YAML file; each has one ``{}`` for the class name.

    Raises:
        InputError: no such list, or a template without exactly one ``{}``.
    """
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    templates = content.get("templates") if isinstance(content, dict) else None
    if not isinstance(templates, list) or not templates:
        raise InputError(f"{path}: expected the key templates with a list of texts.")
    for row, template in enumerate(templates, start=1):
        if not isinstance(template, str) or template.count("{}") != 1:
            raise InputError(
                f"{path}, templates, item {row}: {template!r} must hold {{}} exactly once, where "
                "the class name goes."
            )
    return templates


def template_texts(
    texts: Path | str, text_type: str, templates: Sequence[str]
) -> dict[str, list[str]]:
    """Each class's bare name of ``text_type`` (schema ``TEXTS``) in each of ``templates``."""
    table = pl.from_arrow(read_table(texts, TEXTS))
    assert isinstance(table, pl.DataFrame)
    rows = table.filter((pl.col("text_type") == text_type) & (pl.col("name") != ""))
    return {
        class_id: [template.replace("{}", name) for template in templates]
        for class_id, name in rows.select("class_id", "name").iter_rows()
    }


def caption_texts(captions: Path | str, split: str) -> dict[str, list[str]]:
    """Each class's distinct accepted captions (schema ``CAPTIONS``) that serve ``split``.

    ``all`` takes those of every split.
    """
    table = pl.from_arrow(read_table(captions, CAPTIONS))
    assert isinstance(table, pl.DataFrame)
    rows = table.filter(pl.col("verdict") == "accepted", pl.col("class_id").is_not_null())
    if split != EVERY_SPLIT:
        rows = rows.filter(pl.col("split").is_in([split, EVERY_SPLIT]))
    grouped = rows.select("class_id", "text").unique().sort("class_id", "text")
    return {
        str(class_id): part["text"].to_list()
        for (class_id,), part in grouped.group_by("class_id", maintain_order=True)
    }


def class_embeddings(
    class_ids: Sequence[str], texts: Mapping[str, Sequence[str]], encode: TextEncoder
) -> ClassEmbeddings:
    """Normalise each text's feature, average by class, normalise again.

    Args:
        class_ids: the classes to choose from.
        texts: at least one text for each of them; other classes' texts are ignored.
        encode: gives features of length 1.

    Raises:
        InputError: a class has no text.
    """
    ordered = sorted(class_ids)
    missing = [class_id for class_id in ordered if not texts.get(class_id)]
    if missing:
        raise InputError(
            f"class texts: {len(missing)} of {len(ordered)} classes have none: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. Give them a name of "
            "the text type that the evaluation uses, or captions that pass the gates."
        )
    pairs = [(row, text) for row, class_id in enumerate(ordered) for text in texts[class_id]]
    sums = None
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        features = l2_normalise(encode([text for _, text in chunk]))
        if sums is None:
            sums = np.zeros((len(ordered), features.shape[1]))
        np.add.at(sums, [row for row, _ in chunk], features)
    if sums is None:
        raise InputError("class texts: there is no class. Check the data set's classes table.")
    return ClassEmbeddings(ordered, l2_normalise(sums))
