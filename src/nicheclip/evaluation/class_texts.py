"""The texts of each class: names in templates, or captions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.captions.reasons import identifier
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CAPTIONS, EVERY_SPLIT, TEXTS, read_table


@dataclass(frozen=True)
class ClassTexts:
    """The texts of a set."""

    accepted: Mapping[str, list[str]]
    """Those of each class."""
    refused: Mapping[str, list[tuple[str, str]]]
    """Class and text of those that a gate alone took, by gate."""


def read_templates(path: Path | str) -> list[str]:
    """The list ``templates`` of a YAML file; each has one ``{}`` for the class name.

    Raises:
        InputError: the file is damaged, has no such list, or a template has not exactly one ``{}``.
    """
    content = read_yaml(path)
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


def refused_texts(captions: Path | str) -> dict[str, list[tuple[str, str]]]:
    """Class and text of the captions (schema ``CAPTIONS``) that a gate alone took, by gate."""
    table = pl.from_arrow(read_table(captions, CAPTIONS))
    assert isinstance(table, pl.DataFrame)
    rows = table.filter(pl.col("verdict") == "rejected", pl.col("text") != "")
    found: dict[str, set[tuple[str, str]]] = {}
    for class_id, text, reasons in rows.select("class_id", "text", "reasons").iter_rows():
        gates = {identifier(reason) for reason in reasons}
        if class_id is not None and len(gates) == 1:
            found.setdefault(gates.pop(), set()).add((class_id, text))
    return {gate: sorted(pairs) for gate, pairs in sorted(found.items())}
