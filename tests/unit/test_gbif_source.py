"""GBIF's archives of occurrences, in their own layout, with images from a local server."""

import zipfile
from urllib.parse import urlsplit

import polars as pl
import pytest
from image_server import Handler, State
from source_files import jpeg

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig
from nicheclip.config.url_source import GbifSource
from nicheclip.data import occurrences
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.errors import InputError
from quiet_server import serving

DWC, DC, GBIF = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/", "http://rs.gbif.org/"
OCCURRENCE = {
    "gbifID": f"{GBIF}terms/1.0/",
    **dict.fromkeys(("license", "rightsHolder"), DC),
    **dict.fromkeys(("scientificName", "kingdom", "phylum", "class", "order", "family"), DWC),
    **dict.fromkeys(("genus", "taxonRank"), DWC),
    "species": f"{GBIF}terms/1.0/",
}
MEDIA = {"gbifID": f"{GBIF}terms/1.0/"} | dict.fromkeys(
    ("type", "format", "identifier", "creator", "license", "rightsHolder"), DC
)
BY = "http://creativecommons.org/licenses/by/4.0/"


def table(kind, row_type, file, terms):
    fields = "".join(
        f'<field index="{place}" term="{terms[name]}{name}"/>'
        for place, name in enumerate(terms)
        if name != "gbifID" or kind == "core"
    )
    identifier = "id" if kind == "core" else "coreid"
    return (
        f'<{kind} encoding="utf-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" '
        f'fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="{row_type}"><files><location>{file}'
        f'</location></files><{identifier} index="0"/>{fields}</{kind}>'
    )


def meta(occurrence=OCCURRENCE, media=MEDIA):
    return (
        f'<archive xmlns="{DWC.replace("terms", "text")}" metadata="metadata.xml">'
        + table("core", f"{DWC}Occurrence", "occurrence.txt", occurrence)
        + table("extension", f"{DWC}Occurrence", "verbatim.txt", {"gbifID": OCCURRENCE["gbifID"]})
        + table("extension", f"{GBIF}terms/1.0/Multimedia", "multimedia.txt", media)
        + "</archive>"
    )


def plant(number, species, holder="Herbarium", genus="Rosa"):
    """A row of occurrence.txt; nothing stands round what has quotation marks."""
    ranks = ("Plantae", "Tracheophyta", "Magnoliopsida", "Rosales", "Rosaceae", genus)
    name = f'{species or genus} "L.'
    return (number, "CC0_1_0", holder, name, *ranks, "SPECIES" if species else "GENUS", species)


def lines(terms, rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in (terms, *rows))


def pack(path, plants, media, **other):
    members = {
        "meta.xml": meta(),
        "occurrence.txt": lines(OCCURRENCE, plants),
        "verbatim.txt": "gbifID\n",
        "multimedia.txt": lines(MEDIA, media),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (members | other).items():
            if text is not None:
                archive.writestr(name, text)
    return path


def source_of(path, **options):
    values = {
        "kind": "gbif",
        "path": str(path),
        "rate": 1000,
        "private_hosts": True,
        "downloads": f"{path}-downloads",
    }
    return GbifSource.model_validate(values | options)


@pytest.fixture
def server():
    with serving(State(), Handler) as state:
        state.pages = {f"/{number}.jpg": jpeg(number) for number in range(8)}
        yield state


def read(source, folder):
    images = open_source("g", source, registry=folder, seed=0, workers=1)
    items = [item for _, item in images]
    kept = {urlsplit(one.key).path: one for one in items if isinstance(one, SourceImage)}
    return kept, [one for one in items if not isinstance(one, SourceImage)]


def garden(folder, url, **other):
    plants = [
        plant(11, "Rosa canina"),
        plant(12, "", holder=""),
        plant(10, "Rosa rugosa"),
        plant(13, "", genus=""),
    ]
    still = ("StillImage", "image/jpeg")
    media = [
        (10, *still, f"{url}/0.jpg", "Ann", BY, "Ann Lee"),
        (11, *still, f"{url}/1.jpg", "Bob", "", ""),
        (10, *still, f"{url}/2.jpg", "", BY, ""),
        (11, "Sound", "audio/mpeg", f"{url}/1.mp3", "", "", ""),
        (11, *still, "", "", "", ""),
        (12, *still, f"{url}/3.jpg", "Cyd", "", ""),
        (99, *still, f"{url}/4.jpg", "", "", ""),
        (11, "", "image/jpeg", f"{url}/5.jpg"),  # a row that is cut
        (13, *still, f"{url}/6.jpg", "", "", ""),
    ]
    return pack(folder / "0001.zip", plants, media, **other)


@pytest.mark.parametrize("block", [occurrences.BLOCK, 50])
def test_images_have_class_ranks_and_rights_of_their_own(tmp_path, server, monkeypatch, block):
    monkeypatch.setattr(occurrences, "BLOCK", block)
    kept, dropped = read(source_of(garden(tmp_path, server.url)), tmp_path)
    said = {path: (one.label, one.licence, one.rights_holder) for path, one in kept.items()}
    assert said == {
        "/0.jpg": ("Rosa rugosa", BY, "Ann Lee"),
        "/1.jpg": ("Rosa canina", "CC0_1_0", "Herbarium"),
        "/2.jpg": ("Rosa rugosa", BY, "Herbarium"),
        "/5.jpg": ("Rosa canina", "CC0_1_0", "Herbarium"),
    }
    first = kept["/0.jpg"]
    assert first.data == jpeg(0) and first.group == "10"
    assert list(first.lineage.values())[-3:] == ["Rosaceae", "Rosa", "Rosa rugosa"]
    assert [(one.key, one.reason) for one in dropped] == [
        ("row 4", "no still image: Sound"),
        ("row 5", "no URL"),
        ("row 6", "its occurrence names no species"),
        ("row 7", "its occurrence is not in the archive"),
        ("row 9", "its occurrence names no species"),
    ]
    assert not {"/1.mp3", "/3.jpg", "/4.jpg", "/6.jpg"} & set(server.asked_for())


def test_classes_of_another_rank(tmp_path, server):
    kept, dropped = read(source_of(garden(tmp_path, server.url), rank="genus"), tmp_path)
    assert {one.label for one in kept.values()} == {"Rosa"}
    assert not any("species" in one.lineage for one in kept.values())
    assert kept["/3.jpg"].rights_holder == "Cyd"  # neither image nor occurrence has a holder
    assert "its occurrence names no genus" in {one.reason for one in dropped}


def test_parts_make_the_catalog_of_one_job(tmp_path, server):
    found = []
    for parts in (1, 2):
        source = source_of(garden(tmp_path, server.url), spread=["127.0.0.1"]).model_dump()
        config = DatasetConfig.model_validate({"source": source, "parts": parts, "shards": parts})
        report, _ = acquire_and_curate(tmp_path / f"{parts}", config, registry=tmp_path)
        assert report.counts["images"] == 4
        found.append((tmp_path / f"{parts}/catalog.parquet").read_bytes())
    assert found[0] == found[1]
    catalog = pl.read_parquet(tmp_path / "1/catalog.parquet")
    assert sorted(catalog["licence"]) == ["CC0_1_0", "CC0_1_0", BY, BY]


def no_zip(path):
    path.write_bytes(b"<html>log in</html>")


def cut(path):
    pack(path, [plant(1, "Rosa canina")], [])
    data = bytearray(path.read_bytes())
    at = data.index(b"occurrence.txt") + 20
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)


def without(terms, name):
    return {term: space for term, space in terms.items() if term != name}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (no_zip, r"bad\.zip: damaged, encrypted or no zip"),
        (cut, r"bad\.zip/occurrence\.txt: damaged"),
        ({"meta.xml": None}, r"no meta\.xml"),
        ({"meta.xml": "<a"}, r"meta\.xml: no XML"),
        ({"meta.xml": "<a/>"}, r"0 tables of the row type Occurrence as core.*occurrence\.txt"),
        ({"multimedia.txt": None}, r"bad\.zip/multimedia\.txt: .*no such member"),
        ({"occurrence.txt": None}, r"bad\.zip/occurrence\.txt: .*no such member"),
        ({"occurrence.txt": "gbifID\n"}, r"occurrence\.txt: no occurrence"),
        (
            {"meta.xml": meta(media=without(MEDIA, "identifier"))},
            r"multimedia\.txt: no column 'identifier'.*found.* type",
        ),
        (
            {"meta.xml": meta(occurrence=without(OCCURRENCE, "species"))},
            r"occurrence\.txt: no column 'species'",
        ),
        (
            {"meta.xml": meta().replace("utf-8", "utf-16")},
            r"occurrence\.txt: its encoding is utf-16, expected UTF-8",
        ),
    ],
)
def test_bad_archives(tmp_path, make, message):
    path = tmp_path / "bad.zip"
    if callable(make):
        make(path)
    else:
        pack(path, [plant(1, "Rosa canina")], [], **make)
    with pytest.raises(InputError, match=message):
        read(source_of(path), tmp_path)
