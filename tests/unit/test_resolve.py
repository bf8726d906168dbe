"""Lineages resolved to accepted taxa: each way, homonyms apart, nothing overwritten silently."""

import polars as pl
import pytest
from small_checklist import HOMINID, MOTH, NAMES, ORCHID, checklist, lineage, resolved

from nicheclip.taxonomy.ids import taxon_id
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.taxonomy.newick import newick
from nicheclip.terms import RANKS

#: genera that stand in two kingdoms: (animal's family, plant's family)
HEMIHOMONYMS = {
    "Laelia": ("Erebidae", "Orchidaceae"),
    "Ficus": ("Ficidae", "Moraceae"),
    "Morus": ("Sulidae", "Moraceae"),
    "Oenanthe": ("Muscicapidae", "Apiaceae"),
    "Ammophila": ("Sphecidae", "Poaceae"),
}


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


def test_an_undescribed_species_in_the_genus_cell_leaves_the_genus():
    (row,) = resolved(lineage(genus="Homo sp."))
    assert names_of(row) == (*HOMINID, "Homo", "")
    assert (row["resolution"], row["rank"]) == ("exact", "genus")
    (row,) = resolved(lineage(genus="Homo aff. sapiens"))
    assert row["resolution"] == "unresolved"


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
