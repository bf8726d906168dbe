"""Providers: each form read into the table of names."""

import sqlite3

import pytest
from checklist_files import CAT, by_name, gbif, gbif_row, ranks, read, write

from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.vernaculars import read_vernaculars
from nicheclip.terms import RANKS


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
    assert not checklist.dropped.counts
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
    (dropped,) = checklist.dropped.examples
    assert dropped.key == f"{tmp_path}/cats.txtree, line 7: 'not a row'"


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
            ("6", "4", "hybrids", "no rank", "hidden,hybrid", ""),
            ("7", "6", "Felis catus felis", "subspecies", "", ""),
        ],
        bar,
    )
    write(tmp_path / "synonyms.tsv", [("name", "uid", ""), ("Catus domesticus", "4", "")], bar)
    checklist = read("open_tree", tmp_path)
    names = by_name(checklist)
    assert names["Catus domesticus"]["accepted_id"] == "4"
    assert names["Catus domesticus"]["context"] == "Animalia"
    assert ranks(names["Felis catus felis"]) == (*ranks(names["Felis catus"])[:6], "catus felis")
    assert "Felis environmental sample" not in names
    assert checklist.dropped.counts == {
        "no scientific name": 1,  # the root, "life"
        "kept out of the tree by Open Tree's flags": 2,
    }
    assert not checklist.noted.counts


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
                (5, 'Felis nemo', 'invalid', 0, 0, 5, 220),
                (6, 'Felis nescio', NULL, 0, 0, 5, 220);
            INSERT INTO synonym_links VALUES (4, 3);
            INSERT INTO vernaculars VALUES (3, 'domestic  cat', 'English'), (3, 'Katze', 'German'),
                (3, CAST(x'63ff74' AS TEXT), 'English');
        """)
    checklist = read("itis", tmp_path)
    names = by_name(checklist)
    assert checklist.dropped.counts == {"neither valid nor a synonym": 2}
    keys = {example.key for example in checklist.dropped.examples}
    assert f"{file}, id 5: 'Felis nemo'" in keys
    assert ranks(names["Felis domesticus"]) == ("Animalia", "", "", "", "", "Felis", "catus")
    assert names["Felis catus"]["authorship"] == "Linnaeus, 1758"
    assert "Felis nemo" not in names
    common = read_vernaculars(tmp_path, "itis")
    assert common["language"].to_list() == ["eng", "deu", "eng"]
    assert common["name"].to_list() == ["domestic cat", "Katze", "c\ufffdt"]


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
    listed = tmp_path / "classes.txt"
    listed.write_text("\n00001_Animalia_Chordata_Mammalia_Carnivora_Felidae_Felis_catus\n\n")
    assert by_name(read("inat21", listed)) == names
    (tmp_path / "cats").mkdir()
    with pytest.raises(InputError, match="line 2: 'cats'; expected 'NNNNN_Kingdom"):
        read("inat21", tmp_path)


def test_csv(tmp_path):
    file = write(tmp_path / "taxa.csv", [RANKS, CAT, (*CAT[:5], "", "Lynx lynx"), CAT], ",")
    names = by_name(read("csv", file))
    assert ranks(names["Felis catus"]) == CAT
    assert ranks(names["Lynx lynx"]) == (*CAT[:5], "Lynx", "lynx")
    assert names["Felidae"]["rank"] == "family"
