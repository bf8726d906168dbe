"""Common names: read from the providers, and one chosen for each taxon."""

import polars as pl
from checklist_files import CAT, GBIF_HEADER, gbif_row, write

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig, VernacularConfig
from nicheclip.taxonomy.ingest import read_checklists
from nicheclip.taxonomy.vernaculars import common_names, read_vernaculars
from nicheclip.terms import RANKS


def test_common_names_by_language_provider_preference(tmp_path):
    write(
        tmp_path / "gbif" / "Taxon.tsv",
        [GBIF_HEADER, gbif_row("1", "Felis catus", "", "species", "accepted", CAT[:6])],
    )
    write(
        tmp_path / "gbif" / "VernacularName.tsv",
        [("taxonID", "vernacularName", "language", "isPreferredName"),
         ("1", "Hauskatze", "de", "true"), ("1", "cat", "en", "false"),
         ("1", "House Cat", "en", "true"), ("1", "absent", "", "")],
    )  # fmt: skip
    inat = ("id", *RANKS[:6], "scientificName", "taxonRank")
    write(tmp_path / "inat" / "taxa.csv", [inat, ("9", *CAT[:6], "Felis catus", "species")], ",")
    write(
        tmp_path / "inat" / "VernacularNames-english.csv",
        [("id", "vernacularName", "language"), ("9", "Domestic Cat", "en")],
        ",",
    )
    config = TaxonomyConfig(
        providers=(
            ProviderConfig(name="gbif", kind="gbif", path=tmp_path / "gbif"),
            ProviderConfig(name="inat", kind="inaturalist", path=tmp_path / "inat"),
        )
    )
    lists = read_checklists(config)

    def chosen(**options):
        order = [provider.name for provider in config.providers]
        table = common_names(lists.vernaculars, lists.names, VernacularConfig(**options), order)
        return table.row(0) if len(table) else None

    assert chosen() == ("Felis catus", "Animalia", "House Cat")
    assert chosen(providers=("inat",)) == ("Felis catus", "Animalia", "Domestic Cat")
    assert chosen(languages=("deu", "eng")) == ("Felis catus", "Animalia", "Hauskatze")
    assert chosen(languages=("fra",)) is None


def test_common_names_of_eol_are_found_by_the_page(tmp_path):
    header = ("taxonID", "parentNameUsageID", "scientificName", "taxonRank", "EOLid")
    taxa = [
        header,
        ("EOL-1", "", "Felis catus", "species", "1037781"),
        ("EOL-2", "", "Lynx lynx", "species", ""),
        ("EOL-3", "", "Puma concolor", "species", "311910"),
    ]
    taxonomy = TaxonomyConfig(
        providers=(
            ProviderConfig(
                name="eol",
                kind="eol",
                path=write(tmp_path / "taxon.tab", taxa).parent,
                vernaculars=tmp_path / "vernacular_names.tsv",
            ),
        )
    )

    def found():
        lists = read_checklists(taxonomy)
        table = common_names(lists.vernaculars, lists.names, taxonomy.vernaculars, ["eol"])
        return dict(table.select("canonical", "common").iter_rows())

    columns = ("vernacular_string", "language_code", "is_preferred_by_eol")
    rows = [("1037781", "cat", "eng", "preferred"), ("9", "unicorn", "eng", "")]
    write(tmp_path / "vernacular_names.tsv", [("page_id", *columns), *rows])
    assert found() == {"Felis catus": "cat"}
    rows = [("EOL-2", "lynx", "eng", "")]
    write(tmp_path / "vernacular_names.tsv", [("taxonID", *columns), *rows])
    assert found() == {"Lynx lynx": "lynx"}
    write(tmp_path / "taxon.tab", [row[:-1] for row in taxa])
    assert found() == {"Lynx lynx": "lynx"}


def test_a_word_that_is_not_yes_is_no_preference(tmp_path):
    write(
        tmp_path / "vernacular_names.tsv",
        [("page_id", "vernacular_string", "language_code", "is_preferred_by_eol"),
         ("1", "a", "eng", "false"), ("1", "b", "eng", "preferred"), ("1", "c", "eng", "")],
    )  # fmt: skip
    table = read_vernaculars(tmp_path, "eol")
    assert table.filter(pl.col("preferred"))["name"].to_list() == ["b"]
