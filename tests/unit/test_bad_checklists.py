"""What bad checklists come to: an error that names the line, or a counted drop."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from checklist_files import CAT, GBIF_HEADER, by_name, coldp, gbif, gbif_row, ranks, read, write

from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.providers import issues
from nicheclip.terms import RANKS

ROOT = Path(__file__).parents[2]


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
    for name in ("nothing", "backbone.zip"):
        with pytest.raises(InputError, match=r"expected .* archive with Taxon\.tsv"):
            read("gbif", tmp_path / name)


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
    assert checklist.dropped.examples[0].reason == "broken UTF-8 in the name"
    assert "Taxon.tsv, line 3" in checklist.dropped.examples[0].key


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
    assert checklist.dropped.counts == {
        "no id": 1,
        "no name": 2,
        "a name of more than 400 characters": 1,
        "a spreadsheet formula instead of a name": 1,
        "no scientific name": 1,
        "an earlier row has this id": 1,
    }


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
    assert checklist.dropped.counts == {"a cycle in the chain of parents": 4}
    assert checklist.noted.counts == {"the parent is not in the checklist": 1}


def test_parents_are_followed_over_rows_that_are_dropped(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "kingdom", "Animalia"),
        ("2", "1", "accepted", "class", "Mammalia"),
        ("3", "2", "accepted", "family", "Not assigned"),
        ("4", "3", "accepted", "no rank", "=cmd|1"),
        ("5", "4", "accepted", "genus", "Felis"),
        ("6", "5", "accepted", "species", "Felis catus"),
        ("7", "99", "accepted", "family", ""),
        ("8", "7", "accepted", "genus", "Puma"),
    )
    checklist = read("coldp", folder)
    names = by_name(checklist)
    assert checklist.dropped.counts == {
        "no scientific name": 1,
        "a spreadsheet formula instead of a name": 1,
        "no name": 1,
    }
    assert not checklist.noted.counts
    assert ranks(names["Felis catus"]) == ("Animalia", "", "Mammalia", "", "", "Felis", "catus")
    assert names["Felis catus"]["context"] == "Animalia"
    assert {name: row["parent_id"] for name, row in names.items()} == {
        "Animalia": None, "Mammalia": "1", "Felis": "2", "Felis catus": "5", "Puma": None,
    }  # fmt: skip


def test_a_repeated_id_leads_to_its_first_row(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "kingdom", "Animalia"),
        ("1", "", "accepted", "kingdom", "Plantae"),
        ("2", "", "accepted", "order", ""),
        ("2", "1", "accepted", "order", "Carnivora"),
        ("3", "2", "accepted", "genus", "Felis"),
    )
    felis = by_name(read("coldp", folder))["Felis"]
    assert ranks(felis) == ("Animalia", "", "", "Carnivora", "", "Felis", "")


def test_parents_beside_ranks_are_checked_and_nothing_is_lost(tmp_path):
    def row(identifier, name, parent):
        return gbif_row(identifier, name, "", "species", "accepted", CAT[:6], parent=parent)

    folder = gbif(
        tmp_path,
        row("1", "Felis catus", "99"),
        row("2", "Felis chaus", "3"),
        row("3", "Felis nigripes", "2"),
        row("4", "Felis margarita", "3"),
        row("5", "Felis silvestris", "6"),
        row("6", "unknown", ""),
    )
    checklist = read("gbif", folder)
    assert len(checklist.names) == 5
    assert {ranks(row)[:6] for row in checklist.names.to_dicts()} == {CAT[:6]}
    assert checklist.dropped.counts == {"no scientific name": 1}
    assert checklist.noted.counts == {
        "the parent is not in the checklist": 1,
        "a cycle in the chain of parents": 3,
    }


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
    assert checklist.dropped.counts == {"a synonym of a taxon that is not there": 3}


def test_two_accepted_taxa_of_one_name_are_noted(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "species", "Felis catus"),
        ("2", "", "accepted", "species", "Felis catus"),
    )
    checklist = read("coldp", folder)
    assert checklist.noted.counts == {"two accepted taxa have this name": 2}


def test_lines_are_those_of_the_file_where_fields_go_over_several(tmp_path):
    header = ("id", "remarks", *RANKS[:6], "scientificName", "taxonRank")
    file = write(
        tmp_path / "taxa.csv",
        [
            header,
            ("1", '"one\ntwo\n\nfour"', *CAT[:6], "Felis catus", "species"),
            ("2", "", *CAT[:6], "", "species"),
        ],
        ",",
    )
    checklist = read("inaturalist", file)
    assert checklist.dropped.examples[0].key == f"{file}, line 6: ''"


def test_spaces_around_the_names_of_columns(tmp_path):
    file = tmp_path / "taxa.csv"
    file.write_text('kingdom, "genus" ,species\nAnimalia,Felis,catus\n')
    assert ranks(by_name(read("csv", file))["Felis catus"])[5:] == ("Felis", "catus")


@pytest.mark.parametrize("column", ["", "acceptedNameUsageID"])
def test_a_synonym_that_names_no_accepted_taxon_is_dropped(tmp_path, column):
    header = ("taxonID", "parentNameUsageID", "scientificName", "taxonRank", "taxonomicStatus")
    rows = [
        (*header, column),
        ("1", "", "Felis", "genus", "accepted", ""),
        ("2", "1", "Felis domestica", "species", "homotypic synonym", ""),
        ("3", "1", "Felis catus", "species", "", ""),
    ]
    checklist = read("eol", write(tmp_path / "taxon.tab", rows))
    assert sorted(by_name(checklist)) == ["Felis", "Felis catus"]
    assert checklist.dropped.counts == {"a synonym that names no accepted taxon": 1}


def test_bare_names_are_told(tmp_path):
    folder = coldp(
        tmp_path,
        ("1", "", "accepted", "species", "Felis catus"),
        ("2", "", "bare name", "species", "Felis nemo"),
    )
    checklist = read("coldp", folder)
    assert list(by_name(checklist)) == ["Felis catus"]
    assert checklist.dropped.counts == {"a bare name, which the checklist does not place": 1}


# --- what is told ---


SCRIPT = """
import runpy, sys
from types import SimpleNamespace

output = {name: f"out/{name}.parquet" for name in ("names", "vernaculars")}
provider = {"name": "col", "kind": "coldp", "path": "NameUsage.tsv"}
snakemake = SimpleNamespace(
    log=["out/checklists.log"],
    output=SimpleNamespace(**output, manifest="out/manifest.json"),
    params=SimpleNamespace(config={"providers": [provider]}, code="c0de"),
)
runpy.run_path(sys.argv[1], {"snakemake": snakemake})
"""


def test_the_manifest_and_the_log_tell_what_was_dropped_and_what_is_doubtful(tmp_path):
    coldp(
        tmp_path,
        ("1", "", "accepted", "species", "Felis catus"),
        ("2", "", "accepted", "species", "Felis catus"),
        ("3", "99", "accepted", "species", "Lynx lynx"),
        ("4", "", "accepted", "species", ""),
    )
    subprocess.run(
        [sys.executable, "-c", SCRIPT, ROOT / "scripts/read_checklists.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=True,
    )
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    twice, orphan = "two accepted taxa have this name", "the parent is not in the checklist"
    assert manifest["counts"] == {"names": 3, "vernaculars": 0}
    assert manifest["dropped_counts"] == {"no name": 1}
    assert manifest["dropped"] == [{"key": "NameUsage.tsv, line 5: ''", "reason": "no name"}]
    assert manifest["noted_counts"] == {twice: 2, orphan: 1}
    assert {(item["key"], item["reason"]) for item in manifest["noted"]} == {
        ("NameUsage.tsv, line 2: 'Felis catus'", twice),
        ("NameUsage.tsv, line 3: 'Felis catus'", twice),
        ("NameUsage.tsv, line 4: 'Lynx lynx'", orphan),
    }
    told = (tmp_path / "out/checklists.log").read_text()
    for line in ("1 dropped: no name", f"2 kept in doubt: {twice}", f"1 kept in doubt: {orphan}"):
        assert f"col: {line}\n" in told


def test_of_many_rows_with_one_reason_the_first_are_shown(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(issues, "EXAMPLES", 3)
    caplog.set_level(logging.INFO)
    good = ("0", "", "accepted", "species", "Felis catus")
    nameless = [(str(i), "", "accepted", "species", "") for i in range(1, 6)]
    unread = [(str(i), "", "accepted", "species", "unknown") for i in range(6, 8)]
    checklist = read("coldp", coldp(tmp_path, good, *nameless, *unread))
    assert checklist.dropped.counts == {"no name": 5, "no scientific name": 2}
    lines = [item.key.split(": ")[0].split()[-1] for item in checklist.dropped.examples]
    assert lines == ["3", "4", "5", "8", "9"]
    assert "coldp: 5 dropped: no name" in caplog.text
