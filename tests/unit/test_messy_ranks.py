"""Messy ranks: tables and single lineages are cleaned alike, and cleaning is stable."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_checklist import NAMES

from nicheclip.schemas import CLASSES, RESOLUTIONS
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.taxonomy.lineages import clean_lineages, finest
from nicheclip.taxonomy.resolve import resolve
from nicheclip.taxonomy.resolve_table import taxa_of, write_texts
from nicheclip.taxonomy.texts import bare_names
from nicheclip.terms import RANKS

LETTERS = st.characters(codec="latin-1", exclude_categories=("Cc", "Cf"))
CELLS = st.one_of(
    st.text(LETTERS, max_size=12),
    st.sampled_from(
        ["", "Homo", "homo", "sapiens", "Homo sapiens", "homo Sapiens L.", "× damascena", "sp.",
         "sp. BOLD:AAA1234", "BOLD:AAA1234", "Felidae Fischer, 1817", "unknown", "Metazoa",
         "HOMO", "Rosa × damascena Mill.", "lupus familiaris", "Homo sapiens (Smith, 1900)",
         "mosaic virus", "<i>Aus</i> bus", "not_classified", "cf. alba", "Ignota aus",
         "Sapiens", "SAPIENS", "Gallica L.", "SAPIENS LINNAEUS, 1758", "H. sapiens", "L.",
         "Homo sp.", "Homo sp. nov.", "Homo aff. sapiens", "Homo?"],
    ),
)  # fmt: skip


LINEAGES = st.lists(st.fixed_dictionaries(dict.fromkeys(RANKS, CELLS)), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(LINEAGES)
def test_tables_are_cleaned_as_single_lineages_and_give_their_names(rows):
    clean = clean_lineages(pl.DataFrame(rows)).select(RANKS)
    lineages = [Lineage.from_ranks(row) for row in rows]
    assert clean.to_dicts() == [one.names for one in lineages]
    ranks = [one.finest_rank for one in lineages]
    assert clean.select(finest(pl.lit)).to_series().to_list() == ranks
    finest_names = clean.select(finest(pl.col)).to_series().to_list()
    assert finest_names == [one.names.get(one.finest_rank, "") for one in lineages]
    table = clean.with_columns(
        class_id=pl.Series([str(i) for i in range(len(rows))]),
        common=pl.Series(["Cat", ""] * 3)[: len(rows)],
        display=pl.lit("x"),
    )
    for one, row in zip(lineages, bare_names(table).to_dicts(), strict=True):
        common = row["common"]
        sci = one.scientific or common or "x"
        assert (row["sci"], row["com"]) == (sci, common or sci)
        assert (row["taxon"], row["taxontag"]) == (one.taxonomic or sci, one.tagged or sci)
        joined = row["sci"] if sci == row["com"] else f"{sci} with common name {row['com']}"
        assert row["sci_com"] == joined


@pytest.mark.parametrize("policy", ["finest_known", "as_published"])
@settings(max_examples=25, deadline=None)
@given(LINEAGES)
def test_classes_and_tables_get_the_same_texts_of_messy_ranks(policy, rows):
    lineages = pl.DataFrame(rows).unique().sort(RANKS)
    resolutions = resolve(lineages, NAMES, providers=["gbif"])
    taxa = taxa_of(resolutions)
    # one class of each taxon: the table takes the first lineage of each, as it was given
    given_ranks = {rank: f"given_{rank}" for rank in RANKS}
    classes = taxa.select(
        class_id="taxon_id", name=pl.lit("x"), common=pl.lit(""), images=pl.lit(1), **given_ranks
    )
    classes = classes.select(CLASSES.names).to_arrow().cast(CLASSES)
    answers = resolutions.to_arrow().cast(RESOLUTIONS)
    of_classes = pl.DataFrame(flatten(classes, "zoo", policy=policy, resolutions=answers)[1])
    with TemporaryDirectory() as folder:
        write_texts(taxa, Path(folder, "texts.parquet"), policy=policy)
        of_table = pl.read_parquet(Path(folder, "texts.parquet"))
    assert of_table.equals(of_classes)


@given(st.fixed_dictionaries(dict.fromkeys(RANKS, CELLS)))
def test_cleaning_is_stable(row):
    once = Lineage.from_ranks(row)
    assert Lineage.from_ranks(once.names) == once
