"""Cells of checklists that are bad: each costs no more than its row, and is told."""

from checklist_files import CAT, by_name, gbif, gbif_row, ranks, read, write

from nicheclip.terms import RANKS


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
    reason = "another rank's name stands in the column or rank 'order'"
    assert checklist.dropped.counts == {reason: 1}
    assert checklist.dropped.examples[0].key.endswith("line 2: 'Felis catus', 'Felidae'")


def test_unknown_and_bad_cells_of_ranks_cost_only_that_rank(tmp_path):
    def row(identifier, higher):
        return gbif_row(identifier, f"Felis {identifier}us", "", "species", "accepted", higher)

    def at(level, cell):
        return (*CAT[:level], cell, *CAT[level + 1 : 6])

    folder = gbif(
        tmp_path,
        row("cat", at(3, "incertae sedis")),
        row("lyb", at(3, "Not assigned")),
        row("chaa", at(3, "-")),
        row("nig", at(4, "=cmd|'/c calc'!A1")),
        row("silv", at(4, "F" * 100_000)),
        row("mar", at(4, "Fel\ufffddae")),
    )
    checklist = read("gbif", folder)
    assert not checklist.dropped.counts
    found = {row["source_id"]: ranks(row)[:6] for row in checklist.names.to_dicts()}
    assert found == {
        **dict.fromkeys(("cat", "lyb", "chaa"), at(3, "")),
        **dict.fromkeys(("nig", "silv", "mar"), at(4, "")),
    }
    at_family = "at the rank 'family', left empty"
    assert checklist.noted.counts == {
        f"a spreadsheet formula instead of a name {at_family}": 1,
        f"a name of more than 400 characters {at_family}": 1,
        f"broken UTF-8 {at_family}": 1,
    }
    keys = {example.key for example in checklist.noted.examples}
    assert f"{folder}/Taxon.tsv, line 5: 'Felis nigus', \"=cmd|'/c calc'!A1\"" in keys


def test_bad_cells_of_lineages_are_dropped_and_the_rest_stays(tmp_path):
    file = write(
        tmp_path / "taxa.csv",
        [
            RANKS,
            (*CAT[:5], "Puma", "=bad"),
            (*CAT[:4], "=cmd|1", "Felis", "catus"),
            (*CAT[:4], "F" * 100_000, "Lynx", "lynx"),
            (*CAT[:4], "unknown", "Caracal", "caracal"),
            ("", "not_classified", "", "", "", "", ""),
        ],
        ",",
    )
    checklist = read("csv", file)
    assert checklist.dropped.counts == {
        "a spreadsheet formula instead of a name": 2,
        "a name of more than 400 characters": 1,
    }
    keys = [example.key for example in checklist.dropped.examples]
    assert f"{file}, line 2: '=bad'" in keys
    assert f"{file}, line 3: '=cmd|1'" in keys
    names = by_name(checklist)
    assert set(names) == {
        *CAT[:5], "Puma", "Felis", "Lynx", "Caracal", "Felis catus", "Lynx lynx", "Caracal caracal",
    }  # fmt: skip
    for name in ("Felis catus", "Lynx lynx", "Caracal caracal"):
        assert ranks(names[name])[:6] == (*CAT[:4], "", name.split()[0])


def test_what_is_below_a_bad_line_of_a_tree_does_not_change_its_parent(tmp_path):
    file = tmp_path / "cats.txtree"
    file.write_text(
        "Mammalia [class]\n"
        "  Felidae [family]\n"
        "    Felis [genus]\n"
        "  Canidae family\n"
        "    Canis [genus]\n"
        "      Canis lupus [species]\n"
    )
    checklist = read("text_tree", file)
    assert checklist.dropped.counts == {"not 'indent name [rank]'": 1}
    names = by_name(checklist)
    assert ranks(names["Canis lupus"]) == ("", "", "Mammalia", "", "", "Canis", "lupus")
    assert names["Canis"]["parent_id"] == names["Mammalia"]["source_id"]
