"""Providers: each form read into the table of names, and what bad files come to."""

import sqlite3
from collections import Counter

import polars as pl
import pytest

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig, VernacularConfig
from nicheclip.errors import InputError
from nicheclip.tables import RANKS, TAXON_NAMES
from nicheclip.taxonomy.ingest import read_checklists, read_provider
from nicheclip.taxonomy.vernaculars import common_names, read_vernaculars

CAT = ("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "catus")


def write(path, rows, separator="\t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(kind, path, **options):
    checklist = read_provider(ProviderConfig(name=kind, kind=kind, path=path, **options))
    assert checklist.names.to_arrow().schema.names == TAXON_NAMES.names
    return checklist


def by_name(checklist):
    return {row["canonical"]: row for row in checklist.names.to_dicts()}


def ranks(row):
    return tuple(row[rank] for rank in RANKS)


def reasons(items):
    return Counter(item.reason for item in items)


GBIF_HEADER = (
    "taxonID", "datasetID", "parentNameUsageID", "acceptedNameUsageID", "scientificName",
    "scientificNameAuthorship", "canonicalName", "taxonRank", "taxonomicStatus",
    *RANKS[:6],
)  # fmt: skip


def gbif_row(identifier, name, canonical, rank, status, higher, parent="", accepted=""):
    return (identifier, "d", parent, accepted, name, "", canonical, rank, status, *higher)


def gbif(tmp_path, *rows):
    return write(tmp_path / "backbone" / "Taxon.tsv", [GBIF_HEADER, *rows]).parent


def test_gbif(tmp_path):
    folder = gbif(
        tmp_path,
        gbif_row("1", "Felis Linnaeus, 1758", "Felis", "genus", "accepted", CAT[:6]),
        gbif_row("2", "Felis catus Linnaeus, 1758", "Felis catus", "species", "accepted", CAT[:6],
                 parent="1"),
        gbif_row("3", "Catus domesticus Erx.", "Catus domesticus", "species", "synonym",
                 ("Animalia", "", "", "", "", ""), accepted="2"),
        gbif_row("4", "Rosa × damascena Mill.", "Rosa damascena", "species", "doubtful",
                 ("Plantae", "", "", "", "Rosaceae", "Rosa")),
    )  # fmt: skip
    checklist = read("gbif", folder)
    names = by_name(checklist)
    assert not checklist.dropped
    assert ranks(names["Felis catus"]) == CAT
    assert ranks(names["Felis"]) == (*CAT[:6], "")
    synonym = names["Catus domesticus"]
    assert (synonym["status"], synonym["accepted_id"]) == ("synonym", "2")
    assert ranks(synonym) == CAT
    assert names["Rosa damascena"]["species"] == "× damascena"
    assert names["Rosa damascena"]["status"] == "accepted"


def test_inaturalist(tmp_path):
    header = ("id", "taxonID", "parentNameUsageID", *RANKS[:6], "scientificName", "taxonRank")
    url = "https://www.inaturalist.org/taxa/"
    write(
        tmp_path / "taxa.csv",
        [
            header,
            ("41", f"{url}41", f"{url}40", *CAT[:6], "Felis catus", "species"),
            ("40", f"{url}40", "", *CAT[:5], "Felis", "Felis", "genus"),
        ],
        ",",
    )
    names = by_name(read("inaturalist", tmp_path))
    assert ranks(names["Felis catus"]) == CAT
    assert (names["Felis catus"]["source_id"], names["Felis catus"]["parent_id"]) == ("41", "40")


def test_coldp_follows_parents(tmp_path):
    header = ("col:ID", "col:parentID", "col:status", "col:rank", "col:scientificName",
              "col:authorship")  # fmt: skip
    write(
        tmp_path / "NameUsage.tsv",
        [
            header,
            ("a", "", "accepted", "kingdom", "Animalia", ""),
            ("b", "a", "accepted", "class", "Mammalia", ""),
            ("c", "b", "accepted", "subfamily", "Felinae", ""),
            ("d", "c", "accepted", "genus", "Felis", "Linnaeus, 1758"),
            ("e", "d", "provisionally accepted", "species", "Felis catus", "Linnaeus, 1758"),
            ("f", "e", "synonym", "species", "Catus domesticus", "Erxleben, 1777"),
            ("g", "e", "accepted", "subspecies", "Felis catus angorensis", ""),
        ],
    )
    names = by_name(read("coldp", tmp_path))
    assert ranks(names["Felis catus"]) == ("Animalia", "", "Mammalia", "", "", "Felis", "catus")
    assert names["Felis catus"]["authorship"] == "Linnaeus, 1758"
    assert ranks(names["Catus domesticus"]) == ranks(names["Felis catus"])
    assert names["Felis catus angorensis"]["species"] == "catus angorensis"
    assert ranks(names["Felinae"]) == ("Animalia", "", "Mammalia", "", "", "", "")


TREE = """\
Mammalia Linnaeus, 1758 [class]
  Felidae Fischer, 1817 [family]
    Felis Linnaeus, 1758 [genus]
      =Catus Erxleben, 1777 [genus]
      Felis catus Linnaeus, 1758 [species]
        =Catus domesticus Erxleben, 1777 [species]
not a row
"""


def test_text_tree(tmp_path):
    (tmp_path / "cats.txtree").write_text(TREE)
    checklist = read("text_tree", tmp_path / "cats.txtree", kingdom="Animalia")
    names = by_name(checklist)
    expected = ("Animalia", "", "Mammalia", "", "Felidae", "Felis", "catus")
    assert ranks(names["Felis catus"]) == ranks(names["Catus domesticus"]) == expected
    assert names["Catus"]["accepted_id"] == names["Felis"]["source_id"]
    assert [d.key.split(": ")[0] for d in checklist.dropped] == [f"{tmp_path}/cats.txtree, line 7"]


def test_eol(tmp_path):
    header = ("taxonID", "acceptedNameUsageID", "parentNameUsageID", "scientificName",
              "taxonRank", "taxonomicStatus", "canonicalName")  # fmt: skip
    write(
        tmp_path / "taxon.tab",
        [
            header,
            ("E1", "", "", "Metazoa", "kingdom", "accepted", "Metazoa"),
            ("E2", "", "E1", "Felidae Fischer 1817", "family", "accepted", "Felidae"),
            ("E3", "", "E2", "Felis catus Linnaeus 1758", "species", "accepted", "Felis catus"),
            ("E4", "E3", "", "Catus domesticus", "species", "not accepted", "Catus domesticus"),
        ],
    )
    names = by_name(read("eol", tmp_path))
    assert ranks(names["Catus domesticus"]) == (
        "Metazoa", "", "", "", "Felidae", "Felis", "catus",
    )  # fmt: skip
    assert names["Felis catus"]["context"] == "Animalia"


def test_open_tree(tmp_path):
    bar = "\t|\t"
    write(
        tmp_path / "taxonomy.tsv",
        [
            ("uid", "parent_uid", "name", "rank", "flags", ""),
            ("1", "", "life", "no rank", "", ""),
            ("2", "1", "Metazoa", "kingdom", "", ""),
            ("3", "2", "Felis", "genus", "", ""),
            ("4", "3", "Felis catus", "species", "", ""),
            ("5", "3", "Felis environmental sample", "species", "environmental", ""),
        ],
        bar,
    )
    write(tmp_path / "synonyms.tsv", [("name", "uid", ""), ("Catus domesticus", "4", "")], bar)
    checklist = read("open_tree", tmp_path)
    names = by_name(checklist)
    assert names["Catus domesticus"]["accepted_id"] == "4"
    assert names["Catus domesticus"]["context"] == "Animalia"
    assert "Felis environmental sample" not in names
    assert reasons(checklist.dropped) == {"no scientific name": 1}  # the root, "life"


def test_itis(tmp_path):
    file = tmp_path / "ITIS.sqlite"
    with sqlite3.connect(file) as database:
        database.executescript("""
            CREATE TABLE taxonomic_units (tsn INT, complete_name TEXT, name_usage TEXT,
                parent_tsn INT, taxon_author_id INT, kingdom_id INT, rank_id INT);
            CREATE TABLE synonym_links (tsn INT, tsn_accepted INT);
            CREATE TABLE taxon_authors_lkp (taxon_author_id INT, taxon_author TEXT, kingdom_id INT);
            CREATE TABLE taxon_unit_types (kingdom_id INT, rank_id INT, rank_name TEXT);
            CREATE TABLE vernaculars (tsn INT, vernacular_name TEXT, language TEXT);
            INSERT INTO taxon_unit_types VALUES (5, 10, 'Kingdom'), (5, 180, 'Genus'),
                (5, 220, 'Species');
            INSERT INTO taxon_authors_lkp VALUES (9, 'Linnaeus, 1758', 5);
            INSERT INTO taxonomic_units VALUES (1, 'Animalia', 'valid', 0, 0, 5, 10),
                (2, 'Felis', 'valid', 1, 9, 5, 180), (3, 'Felis catus', 'valid', 2, 9, 5, 220),
                (4, 'Felis domesticus', 'invalid', 0, 0, 5, 220),
                (5, 'Felis nemo', 'invalid', 0, 0, 5, 220);
            INSERT INTO synonym_links VALUES (4, 3);
            INSERT INTO vernaculars VALUES (3, 'domestic  cat', 'English'), (3, 'Katze', 'German');
        """)
    names = by_name(read("itis", tmp_path))
    assert ranks(names["Felis domesticus"]) == ("Animalia", "", "", "", "", "Felis", "catus")
    assert names["Felis catus"]["authorship"] == "Linnaeus, 1758"
    assert "Felis nemo" not in names
    common = read_vernaculars(tmp_path, "itis")
    assert common["language"].to_list() == ["eng", "deu"]
    assert common["name"].to_list() == ["domestic cat", "Katze"]


def test_bioscan_keeps_barcode_index_numbers_apart(tmp_path):
    header = ("order", "family", "genus", "species", "uri")
    write(
        tmp_path / "labels.tsv",
        [
            header,
            ("Diptera", "Phoridae", "not_classified", "not_classified", "BOLD:AAA1111"),
            ("Diptera", "Phoridae", "Megaselia", "not_classified", "BOLD:AAA1112"),
            ("Diptera", "Phoridae", "Megaselia", "not_classified", "BOLD:AAA1113"),
            ("Diptera", "Phoridae", "Megaselia", "Megaselia scalaris", "BOLD:AAA1114"),
        ],
    )
    names = by_name(read("bioscan", tmp_path / "labels.tsv"))
    above = ("Animalia", "Arthropoda", "Insecta", "Diptera", "Phoridae")
    assert ranks(names["Phoridae"]) == (*above, "", "")
    assert {n for n in names if "BOLD" in n} == {
        "Megaselia sp. BOLD:AAA1112", "Megaselia sp. BOLD:AAA1113",
    }  # fmt: skip
    assert ranks(names["Megaselia scalaris"]) == (*above, "Megaselia", "scalaris")


def test_inat21_folders(tmp_path):
    (tmp_path / "00001_Animalia_Chordata_Mammalia_Carnivora_Felidae_Felis_catus").mkdir()
    names = by_name(read("inat21", tmp_path))
    assert ranks(names["Felis catus"]) == CAT
    assert len(names) == 7
    (tmp_path / "cats").mkdir()
    with pytest.raises(InputError, match="line 2: 'cats'; expected 'NNNNN_Kingdom"):
        read("inat21", tmp_path)


def test_csv(tmp_path):
    file = write(tmp_path / "taxa.csv", [RANKS, CAT, (*CAT[:5], "", "Lynx lynx"), CAT], ",")
    names = by_name(read("csv", file))
    assert ranks(names["Felis catus"]) == CAT
    assert ranks(names["Lynx lynx"]) == (*CAT[:5], "Lynx", "lynx")
    assert names["Felidae"]["rank"] == "family"


# --- bad input ---


def test_missing_columns(tmp_path):
    file = write(tmp_path / "Taxon.tsv", [("id", "scientificName"), ("1", "Felis")])
    with pytest.raises(InputError, match=r"Taxon.tsv, line 1: expected a column 'taxonID'"):
        read("gbif", file)


def test_wrong_delimiter(tmp_path):
    file = write(tmp_path / "Taxon.tsv", [GBIF_HEADER], ",")
    with pytest.raises(InputError, match="line 1: fields are divided by commas, expected tabs"):
        read("gbif", file)


@pytest.mark.parametrize("kind", ["gbif", "coldp", "eol", "text_tree", "csv", "bioscan"])
def test_empty_file(tmp_path, kind):
    file = tmp_path / "empty.tsv"
    file.write_text("")
    with pytest.raises(InputError, match=r"empty.tsv, line 1"):
        read(kind, file)


def test_absent_file_and_archive(tmp_path):
    with pytest.raises(InputError, match=r"expected a file, or a folder with Taxon\.tsv"):
        read("gbif", tmp_path / "nothing")
    with pytest.raises(InputError, match="Unpack it"):
        read("gbif", tmp_path / "backbone.zip")


def test_header_without_rows(tmp_path):
    with pytest.raises(InputError, match="no row can be used"):
        read("gbif", gbif(tmp_path))


def test_broken_utf8_is_dropped_with_its_line(tmp_path):
    good = gbif_row("1", "Felis catus", "Felis catus", "species", "accepted", CAT[:6])
    folder = gbif(tmp_path, good)
    with (folder / "Taxon.tsv").open("ab") as stream:
        stream.write("\t".join(gbif_row("2", "Fel@s", "", "species", "", CAT[:6])).encode()
                     .replace(b"@", b"\xff") + b"\n")  # fmt: skip
    checklist = read("gbif", folder)
    assert list(by_name(checklist)) == ["Felis catus"]
    assert checklist.dropped[0].reason == "broken UTF-8 in the name"
    assert "Taxon.tsv, line 3" in checklist.dropped[0].key


def test_rows_that_hold_no_name(tmp_path):
    def row(identifier, name):
        return gbif_row(identifier, name, "", "species", "accepted", CAT[:6])

    folder = gbif(
        tmp_path,
        row("1", "Felis catus"),
        row("", "Felis silvestris"),
        row("3", ""),
        row("4", "F" * 100_000),
        row("5", "=cmd|'/c calc'!A1"),
        row("6", "incertae sedis"),
        row("1", "Felis margarita"),
        ("7",),
    )
    checklist = read("gbif", folder)
    assert list(by_name(checklist)) == ["Felis catus"]
    assert reasons(checklist.dropped) == {
        "no id": 1,
        "no name": 2,
        "a name of more than 400 characters": 1,
        "a spreadsheet formula instead of a name": 1,
        "no scientific name": 1,
        "the id stands in an earlier row": 1,
    }


def coldp(tmp_path, *rows):
    header = ("ID", "parentID", "status", "rank", "scientificName")
    return write(tmp_path / "NameUsage.tsv", [header, *rows]).parent


def test_cycles_and_orphans(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "2", "accepted", "genus", "Felis"),
        ("2", "3", "accepted", "family", "Felidae"),
        ("3", "1", "accepted", "order", "Carnivora"),
        ("4", "1", "accepted", "species", "Felis catus"),
        ("5", "99", "accepted", "genus", "Lynx"),
        ("6", "5", "accepted", "species", "Lynx lynx"),
        ("7", "7", "accepted", "genus", "Puma"),
    )
    checklist = read("coldp", folder)
    assert sorted(by_name(checklist)) == ["Lynx", "Lynx lynx", "Puma"]
    assert reasons(checklist.dropped) == {"a cycle in the chain of parents": 4}
    assert reasons(checklist.noted) == {"the parent is not in the checklist": 1}


def test_synonyms_that_lead_nowhere(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "species", "Felis catus"),
        ("2", "1", "synonym", "species", "Felis domestica"),
        ("3", "2", "synonym", "species", "Felis ocreata"),
        ("4", "99", "synonym", "species", "Felis nemo"),
        ("5", "6", "synonym", "species", "Felis aus"),
        ("6", "5", "synonym", "species", "Felis bus"),
    )
    checklist = read("coldp", folder)
    assert {r["canonical"]: r["accepted_id"] for r in checklist.names.to_dicts()} == {
        "Felis catus": "1", "Felis domestica": "1", "Felis ocreata": "1",
    }  # fmt: skip
    assert reasons(checklist.dropped) == {"a synonym of a taxon that is not there": 3}


def test_two_accepted_taxa_of_one_name_are_noted(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "species", "Felis catus"),
        ("2", "", "accepted", "species", "Felis catus"),
    )
    checklist = read("coldp", folder)
    assert reasons(checklist.noted) == {"two accepted taxa have this name": 2}


def test_ranks_in_the_wrong_column(tmp_path):
    wrong = ("Animalia", "Chordata", "Mammalia", "Felidae", "Carnivora", "Felis")
    folder = gbif(
        tmp_path,
        gbif_row("1", "Felis catus", "", "species", "accepted", wrong),
        gbif_row("2", "Lynx lynx", "", "genus", "accepted", (*CAT[:5], "Lynx lynx")),
        gbif_row("3", "Puma concolor", "", "species", "accepted", (*CAT[:5], "Puma")),
    )
    checklist = read("gbif", folder)
    assert list(by_name(checklist)) == ["Lynx lynx", "Puma concolor"]
    assert reasons(checklist.dropped) == {"Felidae stands in the column or rank 'order'": 1}


# --- common names ---


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


def test_a_word_that_is_not_yes_is_no_preference(tmp_path):
    write(
        tmp_path / "vernacular_names.tsv",
        [("page_id", "vernacular_string", "language_code", "is_preferred_by_eol"),
         ("1", "a", "eng", "false"), ("1", "b", "eng", "preferred"), ("1", "c", "eng", "")],
    )  # fmt: skip
    table = read_vernaculars(tmp_path, "eol")
    assert table.filter(pl.col("preferred"))["name"].to_list() == ["b"]
