"""The classes that an image may show, with their ranks and their texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa

from nicheclip.config.class_list import check_class_names, class_names
from nicheclip.evaluation.class_texts import read_templates, template_texts
from nicheclip.evaluation.predictions import read_classes
from nicheclip.models.classifier import Classifier
from nicheclip.predict.origin import Origin
from nicheclip.runtime.errors import InputError, reading
from nicheclip.schemas import CLASSES
from nicheclip.taxonomy.flatten import class_names as names_by_type
from nicheclip.taxonomy.lineages import clean_lineages
from nicheclip.terms import RANKS, TextType

#: columns that can hold a class's id, in the order in which they are looked for
ID_COLUMNS = ("class_id", "label", "name", "taxon_id", "scientific_name")
#: suffixes of tables
TABLES = (".csv", ".tsv", ".parquet")
#: classes that a message names
NAMED = 5


@dataclass(frozen=True)
class ClassList:
    """C classes, sorted by id."""

    table: pl.DataFrame
    """Schema ``CLASSES``."""
    texts: dict[str, list[str]]
    """Of each class; empty where a classifier takes their place."""
    source: str
    """Where they come from, for people."""

    @property
    def ids(self) -> list[str]:
        """C ids."""
        ids: list[str] = self.table["class_id"].to_list()
        return ids

    def only(self, kept: pl.Series) -> "ClassList":
        """Those where ``kept`` [C] is true."""
        table = self.table.filter(kept)
        ids = set(table["class_id"])
        return replace(self, table=table, texts={i: t for i, t in self.texts.items() if i in ids})

    def same_texts(self) -> list[str]:
        """Names of classes whose texts are those of a class before them."""
        seen: set[tuple[str, ...]] = set()
        found = []
        names = dict(self.table.select("class_id", "name").iter_rows())
        for class_id, texts in sorted(self.texts.items()):
            if (key := tuple(texts)) in seen:
                found.append(names[class_id])
            seen.add(key)
        return found


def read_class_list(path: Path, *, text_type: TextType, templates: Path) -> ClassList:
    """Classes of a file.

    Args:
        path: a text file with a name on each line, or a table (CSV, TSV, Parquet) with a column
            ``class_id``, ``label`` or ``name`` and, if there are any, ``common`` and the ranks.
        text_type: which name of a class goes into the templates.
        templates: their file.

    Raises:
        InputError: no such file, no class, or a class stands twice.
    """
    if not path.exists() or path.is_dir():
        raise InputError(f"{path}: no such file. Give a list of classes, one on each line.")
    if path.suffix.lower() not in TABLES:
        names = class_names(str(path))
        table = _table([{"class_id": name, "name": name} for name in names])
    else:
        table = _from_table(path)
    named = names_by_type(table.select(CLASSES.names).to_arrow().cast(CLASSES))
    forms = read_templates(templates)
    texts = {
        class_id: [form.replace("{}", name) for form in forms]
        for class_id, name in named.select("class_id", text_type).iter_rows()
    }
    return ClassList(table, texts, str(path))


def named_classes(names: Sequence[str], templates: Path) -> ClassList:
    """Classes of a list of names."""
    checked = check_class_names(names, "the list of classes")
    forms = read_templates(templates)
    texts = {name: [form.replace("{}", name) for form in forms] for name in checked}
    return ClassList(_table([{"class_id": n, "name": n} for n in checked]), texts, "the list")


def classes_of_origin(origin: Origin, *, text_type: TextType, templates: Path) -> ClassList:
    """The classes of the data set that a model was trained on, with the texts that evaluations
    take.
    """
    texts = template_texts(origin.texts, text_type, read_templates(templates))
    table = read_classes(origin.classes)
    table = table.filter(pl.col("class_id").is_in(list(texts)))
    return ClassList(_cleaned(table), texts, f"the data set {origin.dataset}")


def classes_of_classifier(classifier: Classifier, origin: Origin | None) -> ClassList:
    """The classes of an adapted model, with ranks where the results folder knows them."""
    names = classifier.class_names or classifier.class_ids
    rows = [{"class_id": i, "name": n} for i, n in zip(classifier.class_ids, names, strict=True)]
    table = _table(rows)
    if origin is not None and origin.classes.is_file():
        known = read_classes(origin.classes).filter(pl.col("class_id").is_in(table["class_id"]))
        table = _cleaned(known) if known.height == table.height else table
    return ClassList(table, {}, "the classifier of the model")


def _from_table(path: Path) -> pl.DataFrame:
    expected = "a table (CSV, TSV or Parquet) with a row for each class"
    with reading(path, expected, "Correct the file, or save it again as UTF-8."):
        if path.suffix.lower() == ".parquet":
            found = pl.read_parquet(path)
        else:
            tab = "\t" if path.suffix.lower() == ".tsv" else ","
            found = pl.read_csv(path, separator=tab, infer_schema=False)
    lower = [name.strip().lower() for name in found.columns]
    if repeated := sorted({name for name in lower if lower.count(name) > 1 and name}):
        raise InputError(
            f"{path}: several columns are called {', '.join(repeated)}, upper case aside. Keep one."
        )
    found.columns = [name or f"_{place}" for place, name in enumerate(lower)]
    if nested := [name for name, kind in found.schema.items() if kind.is_nested()]:
        raise InputError(f"{path}: the columns {', '.join(nested)} hold lists, expected texts.")
    ids = [name for name in ID_COLUMNS if name in found.columns]
    if not ids and not {"genus", "species"} <= set(found.columns):
        raise InputError(
            f"{path}: expected one of the columns {', '.join(ID_COLUMNS)}, or genus and species; "
            f"found {', '.join(found.columns[:10])}."
        )
    cells = [pl.col(name).cast(pl.String).fill_null("").str.strip_chars() for name in found.columns]
    with reading(path, "columns of texts in UTF-8", "Correct the file."):
        found = found.with_columns(cells)
    if not ids:
        # where neither is known, the finest rank above them
        both = pl.concat_str("genus", "species", separator=" ").str.strip_chars()
        above = [pl.col(rank) for rank in reversed(RANKS[:-2]) if rank in found.columns]
        known = [pl.when(name != "").then(name) for name in (both, *above)]
        found = found.with_columns(class_id=pl.coalesce(*known, pl.lit("")))
    elif ids[0] != "class_id":
        found = found.with_columns(class_id=pl.col(ids[0]))
    found = found.filter(pl.col("class_id") != "")
    if "name" not in found.columns:
        found = found.with_columns(name=_name(found, ids))
    return _checked(found, path)


def _name(found: pl.DataFrame, ids: Sequence[str]) -> pl.Expr:
    """What a person calls a class of a table that has no names."""
    if {"genus", "species"} <= set(found.columns):
        species = pl.col("species")
        whole = pl.when(species.str.contains(" ")).then(species)
        both = pl.concat_str("genus", species, separator=" ").str.strip_chars()
        return pl.coalesce(whole, pl.when(both != "").then(both), "class_id")
    return pl.col("scientific_name" if "scientific_name" in ids else "class_id")


def _checked(found: pl.DataFrame, path: Path) -> pl.DataFrame:
    repeated = found.filter(pl.col("class_id").is_duplicated())["class_id"].unique().sort()
    if len(repeated):
        names = ", ".join(map(repr, repeated.head(NAMED)))
        raise InputError(
            f"{path}: {len(repeated)} classes stand in several rows: {names}. Leave one row for "
            "each class."
        )
    if found.height < 2:
        raise InputError(f"{path}: {found.height} classes; expected at least two to choose from.")
    return _table(found.to_dicts())


def _table(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    empty = dict.fromkeys((*RANKS, "common"), "") | {"images": 0}
    wanted = [{name: ({**empty, **row})[name] for name in CLASSES.names} for row in rows]
    for row in wanted:
        row["images"] = 0
    table = pl.from_arrow(pa.Table.from_pylist(wanted, schema=CLASSES))
    assert isinstance(table, pl.DataFrame)
    return _cleaned(table)


def _cleaned(table: pl.DataFrame) -> pl.DataFrame:
    """Sorted by id, with the ranks as texts have them: a species is an epithet."""
    ranks = clean_lineages(table.select(RANKS)).select(RANKS)
    return table.with_columns(ranks.get_columns()).sort("class_id")
