"""Lineages and text types: vectors worked out by hand."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CLASSES, RESOLUTIONS, TAXA, TEXTS
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.ids import taxon_id
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

WOLF = ("Animalia", "Chordata", "Mammalia", "Carnivora", "Canidae", "Canis", "lupus")
FLY = ("Animalia", "Arthropoda", "", "Diptera", "Phoridae", "", "")
NONE = ("",) * 7


def class_row(class_id, ranks=NONE, common="", name=""):
    return {"class_id": class_id, "name": name or class_id, "common": common, "images": 3} | dict(
        zip(RANKS, ranks, strict=True)
    )


def flattened(*rows, **options):
    taxa, texts = flatten(pa.Table.from_pylist(list(rows), schema=CLASSES), "zoo", **options)
    assert taxa.schema.equals(TAXA)
    assert texts.schema.equals(TEXTS)
    by_class = {}
    for row in texts.to_pylist():
        by_class.setdefault(row["class_id"], {})[row["text_type"]] = (row["name"], row["text"])
    return taxa.to_pylist(), by_class


def test_all_ranks_and_a_common_name():
    taxa, texts = flattened(class_row("wolf", WOLF, common="grey wolf"))
    taxonomic = "Animalia Chordata Mammalia Carnivora Canidae Canis lupus"
    tagged = (
        "kingdom Animalia phylum Chordata class Mammalia order Carnivora family Canidae "
        "genus Canis species lupus"
    )
    assert {kind: name for kind, (name, _) in texts["wolf"].items()} == {
        "sci": "Canis lupus",
        "com": "grey wolf",
        "taxon": taxonomic,
        "sci_com": "Canis lupus with common name grey wolf",
        "taxon_com": f"{taxonomic} with common name grey wolf",
        "taxontag": tagged,
        "taxontag_com": f"{tagged} with common name grey wolf",
    }
    assert texts["wolf"]["sci_com"][1] == "a photo of Canis lupus with common name grey wolf."
    digest = hashlib.sha256("\x1f".join(WOLF).encode()).hexdigest()[:16]
    assert taxa == [
        dict(zip(RANKS, WOLF, strict=True))
        | {"taxon_id": digest, "common": "grey wolf", "rank": "species"}
        | {"provider": "zoo", "resolution": "as given"}
    ]


def test_without_genus_the_scientific_name_is_the_finest_known():
    taxa, texts = flattened(class_row("fly", FLY))
    assert texts["fly"]["sci"] == ("Phoridae", "a photo of Phoridae.")
    assert texts["fly"]["com"][0] == "Phoridae"
    assert texts["fly"]["sci_com"][0] == "Phoridae"
    assert texts["fly"]["taxon"][0] == "Animalia Arthropoda Diptera Phoridae"
    assert texts["fly"]["taxon_com"][0] == (
        "Animalia Arthropoda Diptera Phoridae with common name Phoridae"
    )
    assert taxa[0]["rank"] == "family"


def test_a_class_without_ranks_has_its_display_name_everywhere():
    taxa, texts = flattened(class_row("spore", name="fungal spores"))
    assert taxa == []
    assert set(texts["spore"].values()) == {("fungal spores", "a photo of fungal spores.")}
    assert len(texts["spore"]) == 7


def test_two_classes_of_one_taxon_share_its_row():
    taxa, texts = flattened(
        class_row("pup", WOLF), class_row("adult", WOLF, common="wolf"), class_row("fly", FLY)
    )
    assert [(t["genus"], t["common"]) for t in taxa] == [("Canis", "wolf"), ("", "")]
    # the ranks do not tell the two apart, so the display name does
    assert texts["pup"]["com"][0] == "pup"
    assert texts["pup"]["sci_com"][0] == "Canis lupus with common name pup"


def test_the_taxon_is_that_of_the_cleaned_names():
    rows = [
        class_row(name, ("Metazoa", "", "", "", "", "Felis", name), name=name)
        for name in ("catus", "Felis catus L.")
    ]
    rows.append(class_row("spores"))
    table = pa.Table.from_pylist(rows, schema=CLASSES)
    taxa, texts = flatten(table, "zoo")
    (identifier,) = taxa["taxon_id"].to_pylist()
    assert identifier == taxon_id({"kingdom": "Animalia", "genus": "Felis", "species": "catus"})
    pairs = {(row["class_id"], row["taxon_id"]) for row in texts.to_pylist()}
    assert pairs == {("catus", identifier), ("Felis catus L.", identifier), ("spores", None)}


@pytest.mark.parametrize(
    ("genus", "species", "expected"),
    [
        ("Agaricus", "Agaricus augustus", ("Agaricus", "augustus")),
        ("Agaricus", "agaricus  augustus", ("Agaricus", "augustus")),
        ("", "Drosera aliciae", ("Drosera", "aliciae")),
        ("Canis", "Canis lupus familiaris", ("Canis", "lupus familiaris")),
        ("Canis", "lupus familiaris", ("Canis", "lupus familiaris")),
        ("", "lupus familiaris", ("", "lupus familiaris")),
        (" Amanita ", "\tmuscaria\n", ("Amanita", "muscaria")),
        ("Gorilla", "gorilla", ("Gorilla", "gorilla")),
        ("Amanita", "", ("Amanita", "")),
        ("Felis", "Catus", ("Felis", "catus")),
        ("Felis", "CATUS", ("Felis", "catus")),
        ("Felis", "CATUS LINNAEUS, 1758", ("Felis", "catus")),
        ("Felis", "Catus (Linnaeus, 1758)", ("Felis", "catus")),
        ("Rosa", "Gallica L.", ("Rosa", "gallica")),
        ("Quercus", "Alba var. pubescens", ("Quercus", "alba var. pubescens")),
        ("Felis", "F. catus", ("Felis", "catus")),
        ("Felis", "L.", ("Felis", "")),
        ("Spodoptera", "sp. 1", ("Spodoptera", "sp. 1")),
        ("Spodoptera", "Sp. 1", ("Spodoptera", "sp. 1")),
        # the genus once more tells no species
        ("Gorilla", "Gorilla", ("Gorilla", "")),
        # a whole binomial is taken at its word
        ("Puma", "Felis catus", ("Felis", "catus")),
        ("Puma", "FELIS CATUS", ("Felis", "catus")),
    ],
)
def test_genus_and_epithet(genus, species, expected):
    lineage = Lineage.from_ranks({"genus": genus, "species": species})
    assert (lineage.genus, lineage.species) == expected


def test_genus_alone_is_the_scientific_name():
    assert Lineage.from_ranks({"genus": "Amanita"}).scientific == "Amanita"


@given(st.fixed_dictionaries({rank: st.text(max_size=12) for rank in RANKS}))
def test_texts_are_never_empty_and_cleaning_is_stable(ranks):
    lineage = Lineage.from_ranks(ranks)
    given = any(name.split() for name in ranks.values())
    assert bool(lineage.scientific) == bool(lineage.finest_rank) <= given
    assert lineage.taxonomic == " ".join(lineage.taxonomic.split())
    assert lineage.scientific in lineage.taxonomic


def test_id_of_a_lineage():
    assert taxon_id(dict.fromkeys(RANKS, "")) is None
    shifted = {"genus": "a", "species": ""}, {"genus": "", "species": "a"}
    assert taxon_id(shifted[0]) != taxon_id(shifted[1])


def test_a_repeated_class_is_refused():
    with pytest.raises(InputError, match=r"class_id 'wolf' is in several rows"):
        flattened(class_row("wolf", WOLF), class_row("wolf"))


def test_a_class_without_any_name_is_refused():
    row = class_row("x") | {"name": "  "}
    with pytest.raises(InputError, match=r"row 0 \('x'\).*Fill in `name`"):
        flattened(row)


#: ranks; then (scientific, taxonomic) as published and by the default policy
GOLDEN = [
    (
        ("Metazoa", "Arthropoda", "", "Diptera", "Phoridae", "", ""),
        ("", "Animalia Arthropoda Diptera Phoridae"),
        ("Phoridae", "Animalia Arthropoda Diptera Phoridae"),
    ),
    (
        ("", "", "", "", "Canidae", "Canis", "Canis lupus familiaris"),
        ("Canis lupus familiaris", "Canidae Canis lupus familiaris"),
        ("Canis lupus familiaris", "Canidae Canis lupus familiaris"),
    ),
    (
        ("", "", "", "", "", "Opuntia", "Opuntia engelmannii var. rubrispinus"),
        ("Opuntia engelmannii", "Opuntia engelmannii"),
        ("Opuntia engelmannii var. rubrispinus", "Opuntia engelmannii var. rubrispinus"),
    ),
    (
        ("", "", "", "", "", "Rosa", "Rosa × damascena Mill."),
        ("Rosa × damascena mill.", "Rosa × damascena mill."),
        ("Rosa × damascena", "Rosa × damascena"),
    ),
    (
        ("", "", "", "", "", "Agaricus", "Agaricus impudicus (Rea) Pilát"),
        ("Agaricus impudicus", "Agaricus impudicus"),
        ("Agaricus impudicus", "Agaricus impudicus"),
    ),
    (
        ("", "", "", "", "", "Heliconius", "sp. BOLD:AAA1234"),
        ("Heliconius sp. bold:aaa", "Heliconius sp. bold:aaa"),
        ("Heliconius sp. BOLD:AAA1234", "Heliconius sp. BOLD:AAA1234"),
    ),
    (
        ("", "", "", "", "", "", "Drosera aliciae r.hamet"),
        ("Drosera aliciae", "Drosera aliciae"),
        ("Drosera aliciae", "Drosera aliciae"),
    ),
    (
        ("", "", "", "", "", "Cyclonaias", "tuberculata tuberculata"),
        ("Cyclonaias tuberculata", "Cyclonaias tuberculata"),
        ("Cyclonaias tuberculata tuberculata", "Cyclonaias tuberculata tuberculata"),
    ),
    (
        ("Unknown", "", "", "", "", "<i>Aus</i>", "<i>Aus bus</i> Smith & Jones, 1900"),
        ("Aus bus", "Aus bus"),
        ("Aus bus", "Aus bus"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ranks", "published", "default"), GOLDEN)
def test_golden_names(ranks, published, default):
    row = class_row("x", ranks)
    _, texts = flattened(row, policy="as_published")
    assert (texts["x"]["sci"][0], texts["x"]["taxon"][0]) == published
    _, texts = flattened(row)
    assert (texts["x"]["sci"][0], texts["x"]["taxon"][0]) == default


def test_texts_without_genus_as_published():
    _, texts = flattened(class_row("fly", GOLDEN[0][0]), policy="as_published")
    taxonomic = "Animalia Arthropoda Diptera Phoridae"
    assert texts["fly"]["sci"][1] == "a photo of ."
    assert texts["fly"]["com"][1] == f"a photo of {taxonomic}."
    assert texts["fly"]["sci_com"][1] == f"a photo of  with common name {taxonomic}."
    assert texts["fly"]["taxontag"][0] == (
        "kingdom Animalia phylum Arthropoda order Diptera family Phoridae"
    )


def test_barcode_index_numbers_merge_as_published_only():
    rows = [
        class_row(str(n), ("", "", "", "", "", "Heliconius", f"sp. BOLD:AAA{n}"))
        for n in (1234, 5678)
    ]
    published = flattened(*rows, policy="as_published")[1]
    assert published["1234"]["taxon"] == published["5678"]["taxon"]
    default = flattened(*rows)[1]
    assert default["1234"]["taxon"] != default["5678"]["taxon"]


def test_resolutions_give_ranks_and_common_names():
    given = dict.fromkeys(RANKS, "") | {"genus": "Pithecanthropus", "species": "erectus"}
    found = dict.fromkeys(RANKS, "") | {"family": "Hominidae", "genus": "Homo"}
    found |= {"species": "erectus", "common": "upright man", "provider": "gbif"}
    found |= {"taxon_id": taxon_id(found), "resolution": "synonym"}
    row = found | {f"given_{rank}": name for rank, name in given.items()}
    resolutions = pa.Table.from_pylist([row], schema=RESOLUTIONS)
    known = class_row("old", ("", "", "", "", "", "Pithecanthropus", "erectus"))
    taxa, texts = flattened(known, class_row("wolf", WOLF), resolutions=resolutions)
    assert texts["old"]["taxon_com"][0] == "Hominidae Homo erectus with common name upright man"
    assert texts["wolf"]["sci"][0] == "Canis lupus"
    assert (taxa[0]["taxon_id"], taxa[0]["provider"]) == (found["taxon_id"], "gbif")
    assert [taxon["resolution"] for taxon in taxa] == ["synonym", "as given"]
    _, published = flattened(known, resolutions=resolutions, policy="as_published")
    assert published["old"]["taxon_com"] == texts["old"]["taxon_com"]
