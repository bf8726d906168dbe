"""Lineages resolved to accepted taxa: each way, homonyms apart, nothing overwritten silently."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CLASSES, RESOLUTIONS, TAXA, TAXON_NAMES, TEXTS, read_table
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.ids import taxon_id
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.taxonomy.lineages import clean_lineages, finest
from nicheclip.taxonomy.newick import newick
from nicheclip.taxonomy.providers.checklist import assemble
from nicheclip.taxonomy.resolve import resolve
from nicheclip.taxonomy.resolve_table import main as resolve_table_command
from nicheclip.taxonomy.resolve_table import resolve_table, taxa_of, write_texts
from nicheclip.taxonomy.texts import bare_names
from nicheclip.taxonomy.trace import main, trace
from nicheclip.terms import RANKS

MOTH = ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Erebidae")
ORCHID = ("Plantae", "Tracheophyta", "Liliopsida", "Asparagales", "Orchidaceae")
HOMINID = ("Animalia", "Chordata", "Mammalia", "Primates", "Hominidae")
#: genera that stand in two kingdoms: (animal's family, plant's family)
HEMIHOMONYMS = {
    "Laelia": ("Erebidae", "Orchidaceae"),
    "Ficus": ("Ficidae", "Moraceae"),
    "Morus": ("Sulidae", "Moraceae"),
    "Oenanthe": ("Muscicapidae", "Apiaceae"),
    "Ammophila": ("Sphecidae", "Poaceae"),
}


def checklist(*rows, provider="gbif"):
    """Rows (name, rank, the names above, accepted id or None); ids count from 1."""
    made = [
        {"line": i, "source_id": str(i), "name": name, "rank": rank, "accepted_id": accepted}
        | dict(zip(RANKS, above, strict=False))
        for i, (name, rank, above, accepted) in enumerate(rows, start=1)
    ]
    columns = dict.fromkeys(("source_id", "name", "rank", "accepted_id", *RANKS[:6]), pl.String) | {
        "line": pl.Int64
    }
    return assemble(pl.DataFrame(made, schema=columns), provider=provider, file=Path("f")).names


NAMES = checklist(
    ("Laelia rosea", "species", MOTH, None),
    ("Laelia rosea", "species", ORCHID, None),
    ("Homo", "genus", (*HOMINID, "Homo"), None),
    ("Homo sapiens Linnaeus, 1758", "species", HOMINID, None),
    ("Homo erectus", "species", HOMINID, None),
    ("Pithecanthropus erectus", "species", ("Animalia",), "5"),
    ("Pithecanthropus", "genus", ("Animalia",), "3"),
    ("Hominidae", "family", HOMINID, None),
    ("Carnivora", "order", HOMINID[:3], None),
    ("Carnivora", "genus", ("Animalia", "", "", "", "", "Carnivora"), None),
)


def lineage(**names):
    return tuple(names.get(rank, "") for rank in RANKS)


def resolved(*lineages, names=NAMES, providers=("gbif",), **options):
    frame = pl.DataFrame(lineages, schema=list(RANKS), orient="row")
    table = resolve(frame, names, providers=list(providers), **options)
    assert table.columns == RESOLUTIONS.names
    return table.to_dicts()


def names_of(row):
    return tuple(row[rank] for rank in RANKS)


def test_exact():
    (row,) = resolved(lineage(kingdom="Metazoa", genus="Homo", species="Homo sapiens L."))
    assert names_of(row) == (*HOMINID, "Homo", "sapiens")
    assert (row["resolution"], row["provider"], row["source_id"]) == ("exact", "gbif", "4")
    assert row["changed"] == "kingdom,species"
    assert row["taxon_id"] == taxon_id(dict(zip(RANKS, names_of(row), strict=True)))


def test_a_kingdom_has_one_name_whichever_the_provider_uses():
    above = HOMINID[1:]
    animals = checklist(("Homo sapiens", "species", ("Animalia", *above), None))
    metazoa = checklist(
        ("Homo sapiens", "species", ("Metazoa", *above), None),
        ("Metazoa", "kingdom", ("Metazoa",), None),
        provider="otol",
    )
    rows = [
        row
        for names in (animals, metazoa)
        for row in resolved(lineage(species="Homo sapiens"), names=names, providers=("gbif",))
    ]
    assert [row["kingdom"] for row in rows] == ["Animalia", "Animalia"]
    assert rows[0]["taxon_id"] == rows[1]["taxon_id"]
    (row,) = resolved(lineage(kingdom="Animalia", genus="Homo", species="sapiens"), names=metazoa)
    assert row["changed"] == ""
    (row,) = resolved(lineage(kingdom="Animalia"), names=metazoa)
    assert (row["resolution"], row["kingdom"]) == ("exact", "Animalia")


def test_synonym_gets_the_accepted_taxon():
    (row,) = resolved(lineage(genus="Pithecanthropus", species="erectus"))
    assert names_of(row) == (*HOMINID, "Homo", "erectus")
    assert (row["resolution"], row["matched"]) == ("synonym", "Pithecanthropus erectus")
    assert (row["source_id"], row["accepted_id"]) == ("6", "5")
    assert row["changed"] == "genus"


def test_homonyms_by_context():
    moth, orchid, family, nothing = resolved(
        lineage(kingdom="Animalia", species="Laelia rosea"),
        lineage(kingdom="Plantae", species="Laelia rosea"),
        lineage(family="Orchidaceae", species="Laelia rosea"),
        lineage(species="Laelia rosea"),
    )
    assert names_of(moth) == (*MOTH, "Laelia", "rosea")
    assert names_of(orchid) == names_of(family) == (*ORCHID, "Laelia", "rosea")
    assert {r["resolution"] for r in (moth, orchid, family)} == {"homonym-by-context"}
    assert nothing["resolution"] == "unresolved"
    assert nothing["reason"] == "2 taxa have this species name, in Animalia, Plantae"
    assert names_of(nothing) == lineage(genus="Laelia", species="rosea")


@pytest.mark.parametrize("genus", HEMIHOMONYMS)
def test_hemihomonyms_stay_apart(genus):
    animal, plant = HEMIHOMONYMS[genus]
    names = checklist(
        (genus, "genus", ("Animalia", "", "", "", animal, genus), None),
        (genus, "genus", ("Plantae", "", "", "", plant, genus), None),
    )
    rows = resolved(
        lineage(kingdom="Animalia", genus=genus),
        lineage(kingdom="Plantae", genus=genus),
        lineage(kingdom="Chloroplastida", genus=genus, species="nova"),
        lineage(kingdom="Fungi", genus=genus),
        lineage(genus=genus),
        names=names,
    )
    assert [row["family"] for row in rows] == [animal, plant, plant, "", ""]
    assert [row["resolution"] for row in rows] == [
        "homonym-by-context", "homonym-by-context", "higher-rank", "unresolved", "unresolved",
    ]  # fmt: skip
    assert len({row["taxon_id"] for row in rows}) == 5


def test_higher_rank_fallback():
    species, subspecies, family, old_genus = resolved(
        lineage(genus="Homo", species="naledi"),
        lineage(species="Homo sapiens idaltu"),
        lineage(family="Hominidae", genus="Nemo", species="nemo"),
        lineage(genus="Pithecanthropus", species="nemo"),
    )
    assert names_of(species) == (*HOMINID, "Homo", "naledi")
    assert names_of(subspecies) == (*HOMINID, "Homo", "sapiens idaltu")
    assert names_of(family) == (*HOMINID, "Nemo", "nemo")
    # an epithet is not moved to another genus on the genus's word alone
    assert names_of(old_genus) == (*HOMINID, "Pithecanthropus", "nemo")
    for row in (species, subspecies, family, old_genus):
        assert (row["resolution"], row["reason"]) == ("higher-rank", "no species of this name")
    (row,) = resolved(lineage(genus="Homo", species="naledi"), higher_rank_fallback=False)
    assert (row["resolution"], row["family"]) == ("unresolved", "")


def test_another_kingdom_is_never_taken():
    (row,) = resolved(lineage(kingdom="Fungi", species="Homo sapiens"))
    assert names_of(row) == lineage(kingdom="Fungi", genus="Homo", species="sapiens")
    assert row["resolution"] == "unresolved"
    assert row["reason"] == (
        "the species is known only in Animalia; the genus is known only in Animalia"
    )


BIRD = ("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe")
UMBELS = ("Plantae", "Tracheophyta", "Magnoliopsida", "Apiales", "Apiaceae")
DROPWORT = {"phylum": "Tracheophyta", "order": "Apiales", "family": "Apiaceae"}


def test_a_name_under_contradicting_ranks_is_not_taken_without_a_kingdom():
    names = checklist(("Oenanthe", "genus", BIRD, None), ("Apiaceae", "family", UMBELS, None))
    asked = lineage(**DROPWORT, species="Oenanthe crocata")
    (row,) = resolved(asked, names=names)
    assert names_of(row) == (*UMBELS, "Oenanthe", "crocata")
    assert (row["resolution"], row["matched"]) == ("higher-rank", "Apiaceae")
    assert row["reason"] == (
        "no species of this name; the genus is known only under other ranks, in Animalia"
    )
    # nor is it where the checklist knows no kingdom
    names = checklist(("Oenanthe", "genus", ("", *BIRD[1:]), None))
    (row,) = resolved(lineage(kingdom="Plantae", **DROPWORT, genus="Oenanthe"), names=names)
    assert names_of(row) == lineage(kingdom="Plantae", **DROPWORT, genus="Oenanthe")
    assert row["reason"] == "the genus is known only under other ranks, in an unknown kingdom"


def test_the_second_provider_is_asked_where_the_first_contradicts():
    plant = checklist(("Oenanthe", "genus", (*UMBELS, "Oenanthe"), None), provider="col")
    names = pl.concat([checklist(("Oenanthe", "genus", BIRD, None)), plant])
    asked = lineage(**DROPWORT, genus="Oenanthe")
    (row,) = resolved(asked, names=names, providers=("gbif", "col"))
    assert (names_of(row), row["provider"]) == ((*UMBELS, "Oenanthe", ""), "col")


def test_one_rank_of_several_may_differ_without_a_kingdom():
    (row,) = resolved(lineage(order="Primates", family="Pongidae", species="Homo sapiens"))
    assert (row["family"], row["resolution"], row["changed"]) == (
        "Hominidae", "exact", "family",
    )  # fmt: skip


def test_a_name_at_another_rank_is_another_name():
    (row,) = resolved(lineage(order="Carnivora"))
    assert (row["rank"], row["class"], row["genus"]) == ("order", "Mammalia", "")


def test_given_ranks_are_overwritten_openly():
    (row,) = resolved(lineage(kingdom="Animalia", order="Rodentia", species="Homo sapiens"))
    assert row["order"] == "Primates"
    assert (row["given_order"], row["changed"]) == ("Rodentia", "order")


def test_the_second_provider_is_asked_only_for_what_the_first_lacks():
    other = checklist(
        ("Homo sapiens", "species", ("Animalia", "", "Primates"), None),
        ("Homo habilis", "species", HOMINID, None),
        provider="col",
    )
    both = pl.concat([other, NAMES])
    rows = resolved(
        lineage(species="Homo sapiens"), lineage(species="Homo habilis"),
        names=both, providers=("gbif", "col"),
    )  # fmt: skip
    assert [(row["provider"], row["class"]) for row in rows] == [
        ("gbif", "Mammalia"), ("col", "Mammalia"),
    ]  # fmt: skip
    (row,) = resolved(lineage(species="Homo sapiens"), names=both, providers=("col", "gbif"))
    assert (row["provider"], row["class"]) == ("col", "Primates")


def test_two_accepted_taxa_of_one_name_are_told_apart_by_higher_ranks_or_not_at_all():
    names = checklist(
        ("Aus bus", "species", ("Animalia", "", "", "", "Aidae"), None),
        ("Aus bus", "species", ("Animalia", "", "", "", "Bidae"), None),
    )
    which, neither = resolved(
        lineage(family="Bidae", species="Aus bus"), lineage(species="Aus bus"), names=names
    )
    assert (which["family"], which["resolution"]) == ("Bidae", "homonym-by-context")
    assert neither["reason"] == "2 taxa have this species name, in Animalia"


def test_nothing_given():
    (row,) = resolved(lineage())
    assert (row["taxon_id"], row["resolution"], row["rank"]) == (None, "unresolved", "")


def test_a_table_is_resolved_row_by_row(tmp_path):
    rows = [
        {"image_id": str(i)} | dict(zip(RANKS, given, strict=True))
        for i, given in enumerate(
            [
                lineage(species="Homo sapiens"),
                lineage(genus="Pithecanthropus", species="erectus"),
                lineage(species="Homo sapiens"),
                lineage(genus="Homo", species="erectus"),
            ]
        )
    ]
    rows[0]["kingdom"] = None
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    resolutions = resolve_table(
        tmp_path / "rows.parquet", NAMES, providers=["gbif"], keep=["image_id"],
        output=tmp_path / "out.parquet",
    )  # fmt: skip
    assert len(resolutions) == 3
    out = pl.read_parquet(tmp_path / "out.parquet")
    ids = out["taxon_id"].to_list()
    assert out["resolution"].to_list() == ["exact", "synonym", "exact", "exact"]
    assert ids[0] == ids[2] and ids[1] == ids[3] and ids[0] != ids[1]
    taxa = taxa_of(resolutions)
    assert taxa.columns == RESOLUTIONS.names
    assert dict(taxa.select("species", "resolution").iter_rows()) == {
        "erectus": "exact", "sapiens": "exact",
    }  # fmt: skip
    write_texts(taxa, tmp_path / "texts.parquet")
    assert len(read_table(tmp_path / "texts.parquet", TEXTS)) == 14
    with pytest.raises(InputError, match="no column 'image'"):
        resolve_table(
            tmp_path / "rows.parquet", NAMES, providers=[], keep=["image"],
            output=tmp_path / "o.parquet",
        )  # fmt: skip


def test_rows_of_a_table_keep_their_order_and_columns(tmp_path):
    count = 300_000
    number = pl.int_range(count, eager=True)
    rows = pl.DataFrame(
        {
            "image_id": number.shuffle(seed=0).cast(pl.String),
            "source": pl.Series(["zoo"]).extend_constant("zoo", count - 1),
            **{rank: pl.Series([""] * count) for rank in RANKS[:5]},
            "genus": "Genus" + (number % 50_000).cast(pl.String),
            "species": pl.select(
                pl.when(number % 7 == 0).then(pl.lit("Homo sapiens")).otherwise(pl.lit(""))
            ).to_series(),
        }
    )
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=20_000)
    resolve_table(
        tmp_path / "rows.parquet", NAMES, providers=["gbif"], output=tmp_path / "out.parquet"
    )
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.columns == ["image_id", "source", "taxon_id", "resolution"]
    assert out["image_id"].equals(rows["image_id"])
    assert (out["resolution"] == "exact").equals((number % 7 == 0).alias("resolution"))


def test_a_column_that_would_be_written_twice_is_refused(tmp_path):
    row = {"image_id": "a", "taxon_id": "b"} | dict(zip(RANKS, lineage(), strict=True))
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist([row]))
    files = {"rows": tmp_path / "rows.parquet", "output": tmp_path / "out.parquet"}
    with pytest.raises(InputError, match="has a column 'taxon_id', which is what this writes"):
        resolve_table(**files, names=NAMES, providers=[])
    resolve_table(**files, names=NAMES, providers=[], keep=["image_id"])
    assert pl.read_parquet(files["output"])["image_id"].to_list() == ["a"]


def test_a_table_is_resolved_from_the_command_line(tmp_path, capsys):
    rows = [{"image_id": "a"} | dict(zip(RANKS, lineage(species="Homo sapiens"), strict=True))]
    rows.append(rows[0] | {"image_id": "b"})
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    command = [str(tmp_path / "rows.parquet"), "--names", str(tmp_path / "names.parquet")]
    command += ["--output", str(tmp_path / "out")]
    assert resolve_table_command(command) == 0
    assert "1 lineages, 1 taxa" in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "out/rows.parquet")["image_id"].to_list() == ["a", "b"]
    texts = pl.DataFrame(read_table(tmp_path / "out/texts.parquet", TEXTS))
    assert "Homo sapiens" in texts.filter(pl.col("text_type") == "sci")["name"].to_list()
    assert "Homo_sapiens" in (tmp_path / "out/tree.nwk").read_text()
    taxa = read_table(tmp_path / "out/taxa.parquet", TAXA).to_pylist()
    assert [(taxon["species"], taxon["resolution"]) for taxon in taxa] == [("sapiens", "exact")]
    assert resolve_table_command([*command, "--keep", "absent"]) == 2
    assert "no column 'absent'" in capsys.readouterr().err
    for unreadable in ("absent.parquet", "out/tree.nwk"):
        assert resolve_table_command([str(tmp_path / unreadable), *command[1:]]) == 2
        assert f"{tmp_path / unreadable}: expected a Parquet file" in capsys.readouterr().err


def test_the_command_writes_texts_as_published(tmp_path):
    fly = ("Metazoa", "Arthropoda", "", "Diptera", "Phoridae", "", "")
    synonym = lineage(genus="Pithecanthropus", species="erectus")
    rows = [dict(zip(RANKS, ranks, strict=True)) for ranks in (fly, synonym)]
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    command = [str(tmp_path / "rows.parquet"), "--names", str(tmp_path / "names.parquet")]
    texts = {}
    for policy in ("finest_known", "as_published"):
        folder = tmp_path / policy
        assert resolve_table_command([*command, "--output", str(folder), "--policy", policy]) == 0
        table = pl.DataFrame(read_table(folder / "texts.parquet", TEXTS))
        texts[policy] = set(table.filter(text_type="sci")["text"])
    man = "a photo of Homo erectus."
    assert texts == {
        "finest_known": {man, "a photo of Phoridae."}, "as_published": {man, "a photo of ."},
    }  # fmt: skip


def test_trace(tmp_path, capsys):
    told = trace("Laelia rosea", NAMES, ranks={"kingdom": "Plantae"}, providers=["gbif"])
    assert "candidate  gbif 1: Laelia rosea [species] accepted -> kingdom Animalia" in told
    assert "resolved   homonym-by-context: kingdom Plantae" in told
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    assert main(["Homo sapiens L.", "--names", str(tmp_path / "names.parquet")]) == 0
    printed = capsys.readouterr().out
    assert "parsed     name: Homo sapiens, author L." in printed
    assert "through    gbif 4 (Homo sapiens)" in printed
    assert main(["Homo", "--names", str(tmp_path / "absent.parquet")]) == 2


@pytest.mark.parametrize(
    ("name", "ranks", "resolved"),
    [
        ("Hominidae", {}, ["exact: kingdom Animalia, phylum Chordata, class Mammalia, "
                           "order Primates, family Hominidae"]),
        ("Homo sp.", {}, ["exact: " + ", ".join(
            f"{rank} {name}" for rank, name in zip(RANKS, (*HOMINID, "Homo"), strict=False))]),
        ("Carnivora", {}, ["exact: kingdom Animalia, phylum Chordata, class Mammalia, "
                           "order Carnivora", "exact: kingdom Animalia, genus Carnivora"]),
        ("Carnivora", {"genus": "Carnivora"}, ["exact: kingdom Animalia, genus Carnivora"]),
        ("Nemo", {}, ["unresolved: genus Nemo"]),
    ],
)  # fmt: skip
def test_trace_of_a_name_above_the_species(name, ranks, resolved):
    told = trace(name, NAMES, ranks=ranks, providers=["gbif"]).splitlines()
    assert [line[11:] for line in told if line.startswith("resolved")] == resolved


def test_an_undescribed_species_in_the_genus_cell_leaves_the_genus():
    (row,) = resolved(lineage(genus="Homo sp."))
    assert names_of(row) == (*HOMINID, "Homo", "")
    assert (row["resolution"], row["rank"]) == ("exact", "genus")
    (row,) = resolved(lineage(genus="Homo aff. sapiens"))
    assert row["resolution"] == "unresolved"


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


def test_a_species_in_the_genus_cell_gives_the_barcode_its_genus():
    ranks = {"genus": "Rosa × damascena Mill.", "species": "BOLD:AAA0000"}
    assert Lineage.from_ranks(ranks).scientific == "Rosa sp. BOLD:AAA0000"


def test_newick():
    lineages = [
        dict(zip(RANKS, given, strict=True))
        for given in [
            (*HOMINID, "Homo", "sapiens"),
            (*HOMINID, "Homo", "erectus"),
            lineage(kingdom="Plantae", genus="Rosa", species="× alba 'Maxima'"),
        ]
    ]
    assert newick(lineages) == (
        "(((((((Homo_erectus,Homo_sapiens)Homo)Hominidae)Primates)Mammalia)Chordata)Animalia,"
        "(('Rosa × alba ''Maxima''')Rosa)Plantae)life;"
    )
