"""Scientific names: a table of cases, GNparser's answers where it reads the name alike."""

import time

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nicheclip.taxonomy.parsed_columns import PARSED, parse_column
from nicheclip.taxonomy.parsed_name import parse_name

#: name, canonical form, genus and epithets as written, authorship: GNparser (the library in the
#: PyPI package gnparser 0.1.3) gives the same
#: canonical form, and an authorship where we do
AS_GNPARSER = [
    ("Homo sapiens", "Homo sapiens", "Homo sapiens", ""),
    ("Homo sapiens L.", "Homo sapiens", "Homo sapiens", "L."),
    ("Homo sapiens Linnaeus, 1758", "Homo sapiens", "Homo sapiens", "Linnaeus, 1758"),
    ("Pseudocercospora Speg.", "Pseudocercospora", "Pseudocercospora", "Speg."),
    (
        "Agaricus impudicus (Rea) Pilát",
        "Agaricus impudicus",
        "Agaricus impudicus",
        "(Rea) Pilát",
    ),
    ("Bos javanicus d'Alton, 1823", "Bos javanicus", "Bos javanicus", "d'Alton, 1823"),
    (
        "Tonatia silvicola (d'Orbigny, 1836)",
        "Tonatia silvicola",
        "Tonatia silvicola",
        "(d'Orbigny, 1836)",
    ),
    ("Aus bus de Winton, 1896", "Aus bus", "Aus bus", "de Winton, 1896"),
    ("Aus bus (von Schreber, 1784)", "Aus bus", "Aus bus", "(von Schreber, 1784)"),
    ("Aus bus (Hook.f. & Thomson) Clarke", *["Aus bus"] * 2, "(Hook.f. & Thomson) Clarke"),
    ("Aus bus L. ex Smith", "Aus bus", "Aus bus", "L. ex Smith"),
    ("Aus bus Smith & Jones", "Aus bus", "Aus bus", "Smith & Jones"),
    ("Aus bus Smith in Santos, 2001", "Aus bus", "Aus bus", "Smith in Santos, 2001"),
    ("Aus bus SMITH, 1900", "Aus bus", "Aus bus", "SMITH, 1900"),
    ("Aus bus L. f.", "Aus bus", "Aus bus", "L. f."),
    ("Zygaena witti Wiegel [1973]", "Zygaena witti", "Zygaena witti", "Wiegel [1973]"),
    ("Canis lupus familiaris", "Canis lupus familiaris", "Canis lupus familiaris", ""),
    ("Abies alba var. alba Mill.", "Abies alba alba", "Abies alba var. alba", "Mill."),
    ("Aus bus ssp. cus", "Aus bus cus", "Aus bus subsp. cus", ""),
    ("Aus bus var cus", "Aus bus cus", "Aus bus var. cus", ""),
    ("Aus bus forma cus", "Aus bus cus", "Aus bus f. cus", ""),
    ("Aus bus L.f. var. cus DC.", "Aus bus cus", "Aus bus var. cus", "DC."),
    (
        "Cynodon dactylon subsp. foo (L.) Bar var. baz Mill.",
        "Cynodon dactylon foo baz",
        "Cynodon dactylon subsp. foo var. baz",
        "Mill.",
    ),
    ("Polypodium vulgare nothosubsp. mantoniae (Rothm.) Schidlay",
     "Polypodium vulgare mantoniae", "Polypodium vulgare nothosubsp. mantoniae",
     "(Rothm.) Schidlay"),
    ("Rosa × damascena Mill.", "Rosa damascena", "Rosa × damascena", "Mill."),
    ("Rosa x damascena Mill.", "Rosa damascena", "Rosa × damascena", "Mill."),
    ("Rosa ×damascena", "Rosa damascena", "Rosa × damascena", ""),
    ("×Agropogon littoralis", "Agropogon littoralis", "Agropogon littoralis", ""),
    ("Salix alba × S. fragilis", "Salix alba × Salix fragilis", "Salix alba × fragilis", ""),
    ("Aus bus L. × Aus cus L.", "Aus bus × Aus cus", "Aus bus × cus", ""),
    ("Quercus cf. alba", "Quercus alba", "Quercus alba", ""),
    ("Quercus sp.", "Quercus", "Quercus", ""),
    ("Aus spp.", "Aus", "Aus", ""),
    ("Taphozous sp. Cretzschmar, 1830", "Taphozous", "Taphozous", ""),
    ("Cymatium (Monoplex) parthenopeum", "Cymatium parthenopeum", "Cymatium parthenopeum", ""),
    ("Aus (Smith) Jones", "Aus", "Aus", "(Smith) Jones"),
    ("Aus (Bus) Smith, 1900", "Bus", "Aus", "Smith, 1900"),
    ("Hieracium sect. Foo", "Foo", "Hieracium", ""),
    ("subgen. Distretus", "Distretus", "Distretus", ""),
    ("<i>Homo sapiens</i> L.", "Homo sapiens", "Homo sapiens", "L."),
    ("Homo_sapiens", "Homo sapiens", "Homo sapiens", ""),
    ("  Homo   sapiens ", "Homo sapiens", "Homo sapiens", ""),
    ("Döringina müllerii", "Doeringina muellerii", "Doeringina muellerii", ""),
    ("Senecio jacobæa", "Senecio jacobaea", "Senecio jacobaea", ""),
    ("Coccinella 7-punctata", "Coccinella septempunctata", "Coccinella septempunctata", ""),
    ("Spheniscus 4maculatus Erichson, 1847", "Spheniscus quadrimaculatus",
     "Spheniscus quadrimaculatus", "Erichson, 1847"),
    ("Polygonia c-album", "Polygonia c-album", "Polygonia c-album", ""),
    ("Tethea or", "Tethea or", "Tethea or", ""),
    ("Aus o'bus", "Aus obus", "Aus obus", ""),
    ("H. sapiens", "H. sapiens", "H. sapiens", ""),
    ("Aus bus s.l.", "Aus bus", "Aus bus", ""),
    ("Aus bus auct. non L.", "Aus bus", "Aus bus", ""),
    ("Aus bus nom. nud.", "Aus bus", "Aus bus", ""),
    ("Aus bus Smith, 1900 [sic]", "Aus bus", "Aus bus", "Smith, 1900"),
    ("Palafoxia texana dc.", "Palafoxia texana", "Palafoxia texana", ""),
    ("Candidatus Liberibacter asiaticus", "Liberibacter asiaticus", "Liberibacter asiaticus", ""),
    ("Amphiprion ocellaris", "Amphiprion ocellaris", "Amphiprion ocellaris", ""),
    ("Aus bus (Smith [von Waldheim] , 1814)", *["Aus bus"] * 2, "(Smith [von Waldheim] , 1814)"),
    ("Opuntia var. rubrispinus", "Opuntia", "Opuntia", ""),
    ("Homo SAPIENS", "Homo", "Homo", "SAPIENS"),
]  # fmt: skip

#: where we differ from GNparser on purpose
OURS = [
    ("Homo sapiens,", "name", "Homo sapiens", "Homo sapiens"),
    ("Homo sapiens, L.", "name", "Homo sapiens", "Homo sapiens"),
    ("HOMO SAPIENS", "name", "Homo sapiens", "Homo sapiens"),
    ("Heliconius sp. BOLD:AAA1234", "provisional", *["Heliconius sp. BOLD:AAA1234"] * 2),
    ("Heliconius BOLD:AAA1234", "provisional", *["Heliconius sp. BOLD:AAA1234"] * 2),
    ("BOLD:AAA1234", "provisional", "BOLD:AAA1234", "BOLD:AAA1234"),
    ("Quercus aff. alba L.", "provisional", "Quercus aff. alba", "Quercus aff. alba"),
    ("Simulium nr. albilineatum", "provisional", *["Simulium nr. albilineatum"] * 2),
    ("Indigofera sp7", "provisional", "Indigofera sp7", "Indigofera sp7"),
    ("Quercus sp. 1", "provisional", "Quercus sp. 1", "Quercus sp. 1"),
    ("Cucumber mosaic virus", "virus", "Cucumber mosaic virus", "Cucumber mosaic virus"),
    ("Eleodes (Eleodes [incertae sedis]) polita Champion, 1892", "name", *["Eleodes polita"] * 2),
    ("Platymetopius nasutus van duzee", "name", *["Platymetopius nasutus"] * 2),
]


@pytest.mark.parametrize(("text", "canonical", "full", "authorship"), AS_GNPARSER)
def test_as_gnparser(text, canonical, full, authorship):
    parsed = parse_name(text)
    assert (parsed.canonical, parsed.full, parsed.authorship) == (canonical, full, authorship)


@pytest.mark.parametrize(("text", "kind", "canonical", "full"), OURS)
def test_differences_from_gnparser(text, kind, canonical, full):
    parsed = parse_name(text)
    assert (parsed.kind, parsed.canonical, parsed.full) == (kind, canonical, full)


@pytest.mark.parametrize(
    ("text", "canonical", "authorship"),
    [
        ("HOMO SAPIENS LINNAEUS, 1758", "Homo sapiens", "Linnaeus, 1758"),
        ("HOMO SAPIENS (LINNAEUS, 1758)", "Homo sapiens", "(Linnaeus, 1758)"),
        ("FELIS LINNAEUS, 1758", "Felis", "Linnaeus, 1758"),
        ("CANIS LUPUS FAMILIARIS LINNAEUS 1758", "Canis lupus familiaris", "Linnaeus 1758"),
        ("AUS BUS SMITH, JONES & BROWN, 1900", "Aus bus", "Smith, Jones & Brown, 1900"),
        ("AUS BUS D. DON IN DE WINTON, 1896", "Aus bus", "D. Don in de Winton, 1896"),
        ("AUS BUS (SMITH) D'ORBIGNY [1900]", "Aus bus", "(Smith) D'Orbigny [1900]"),
        ("AUS (BUS) CUS SMITH, 1900", "Aus cus", "Smith, 1900"),
        ("ROSA × DAMASCENA MILL., 1768", "Rosa damascena", "Mill., 1768"),
        # a barcode index number that ends like a year
        ("HELICONIUS SP. BOLD:AAA1758", "BOLD:AAA1758", ""),
    ],
)
def test_capitals_with_a_year(text, canonical, authorship):
    parsed = parse_name(text)
    assert (parsed.canonical, parsed.authorship) == (canonical, authorship)


@pytest.mark.parametrize(
    "text",
    ["", " ", "unidentified", "Unknown", "incertae sedis", "homo sapiens", "123", "=1+1",
     '=HYPERLINK("http://x","Homo sapiens")', "+Homo sapiens", "@Homo", "A" * 100_000,
     "Homo " * 20_000],
)  # fmt: skip
def test_no_scientific_name(text):
    assert parse_name(text).kind == "unparsed"


def test_parts():
    parsed = parse_name("Rosa × damascena Mill., 1768")
    assert (parsed.genus, parsed.epithets, parsed.year, parsed.hybrid) == (
        "Rosa", "× damascena", "1768", True,
    )  # fmt: skip
    assert parse_name("Quercus cf. alba").qualifier == "cf."
    assert parse_name("Quercus aff. alba").qualifier == "aff."
    assert parse_name("Quercus alba hort. Smith").tail == "hort. Smith"
    assert parse_name("Cymatium (Monoplex) parthenopeum").subgenus == "Monoplex"


def test_distinct_barcode_index_numbers_stay_distinct():
    names = [f"Heliconius sp. BOLD:AAA{n}" for n in range(1000, 1100)]
    assert len({parse_name(name).canonical for name in names}) == 100


WORDS = [
    "Homo", "sapiens", "L.", "(Linnaeus,", "1758)", "×", "x", "sp.", "cf.", "aff.", "var.", "f.",
    "subsp.", "&", "ex", "in", "de", "BOLD:AAA1234", "<i>", "</i>", "ÄÖÜ", "öde", "virus", "(",
    ")", ",", "[sic]", "'a'", "7-punctata", "?", "d'Alton", "nom.", "Smith", "1900", "alba", "C.",
]  # fmt: skip
names_of_words = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@given(st.one_of(st.text(max_size=60), names_of_words))
def test_never_raises_and_fields_are_single_spaced(text):
    parsed = parse_name(text)
    for field in (parsed.genus, parsed.epithets, parsed.canonical, parsed.full):
        assert field == " ".join(field.split())
    assert bool(parsed.canonical) == (parsed.kind != "unparsed")


@given(names_of_words)
@example("Homo × in sapiens")
@example("Homo cf. in sapiens")
@example("Homo alba var. in sapiens")
def test_a_canonical_form_is_its_own(text):
    parsed = parse_name(text)
    if parsed.kind == "name":
        assert parse_name(parsed.canonical).canonical == parsed.canonical
    if parsed.kind == "name" and not parsed.subgenus:
        again = parse_name(parsed.full)
        assert (again.canonical, again.full) == (parsed.canonical, parsed.full)


@given(st.lists(st.one_of(st.none(), st.text(max_size=20), names_of_words), max_size=12))
def test_columns_are_parsed_as_single_names(names):
    names = [*names, "Homo sapiens", "Homo sapiens Linnaeus, 1758", "Aus bus (Smith, 1900)"]
    rows = parse_column(pl.Series(names, dtype=pl.String)).to_dicts()
    one_by_one = [parse_name(name or "") for name in names]
    assert rows == [{column: getattr(p, column) for column in PARSED} for p in one_by_one]


@pytest.mark.parametrize(
    "unit",
    ["Homo ", "(", "× ", "<i", "a-", "BOLD:", "sp. ", "é", "&amp;", "AUS ", "DE ", "A, B & "],
)
def test_time_is_bounded(unit):
    start = time.perf_counter()
    parse_name(unit * (100_000 // len(unit)))
    parse_name(unit * (399 // len(unit)))
    assert time.perf_counter() - start < 0.5
