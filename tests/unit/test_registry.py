import io
import zipfile
from pathlib import Path

import pytest
import yaml

from nicheclip.config.fetched_sources import RegistrySource
from nicheclip.data.registry import RegistryEntry, load_entry
from nicheclip.data.registry_page import registry_page
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.errors import InputError

SHIPPED = Path(__file__).parents[2] / "workflow" / "registry" / "datasets"

ENTRY = {
    "name": "birds",
    "title": "Birds",
    "source": {
        "kind": "manual",
        "page": "https://example.org/birds",
        "files": ["birds.zip"],
    },
    "size_bytes": None,
    "licence": "CC BY 4.0",
    "citation": "A. Birder, 2020",
    "homepage": "https://example.org",
    "classes": 2,
    "images": {"all": 2},
    "class_names": {"x17": "house sparrow"},
    "notes": "none",
}


def write(folder, **changes):
    (folder / "birds.yaml").write_text(yaml.safe_dump(ENTRY | changes))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_entries_are_whole(path):
    entry = load_entry(SHIPPED, path.stem)
    assert entry.notes and entry.citation
    if entry.class_names:
        labels = list(entry.class_names.values())
        assert len(set(labels)) == len(labels)
        assert entry.classes and len(labels) <= entry.classes
    for checksum in filter(None, getattr(entry.source, "checksums", None) or []):
        kind, _, digest = checksum.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[kind]
        assert set(digest) <= set("0123456789abcdef")


def test_there_are_a_dozen_entries():
    assert len(list(SHIPPED.glob("*.yaml"))) >= 12


def test_flowers_are_named_by_number():
    entry = load_entry(SHIPPED, "flowers102")
    assert len(entry.class_names) == 102
    assert (entry.display_name("1"), entry.display_name("102")) == (
        "pink primrose",
        "blackberry lily",
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("sea_ice", "sea ice"),
        ("x17", "house sparrow"),
        ("2012", "2012"),
        ("_", "_"),
    ],
)
def test_display_names(label, name):
    assert RegistryEntry.model_validate(ENTRY).display_name(label) == name


def test_a_manual_set_says_what_to_get_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    source = RegistrySource(kind="registry", name="birds")

    def read():
        items = open_source("mine", source, registry=tmp_path, seed=0, workers=1)
        return [item for _, item in items]

    place = tmp_path / "results" / "downloads" / "birds"
    with pytest.raises(InputError, match=rf"birds\.zip from https://example\.org/birds .*{place}"):
        read()
    place.mkdir(parents=True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x17/1.jpg", b"1")
        archive.writestr("tree_creeper/2.jpg", b"2")
    (place / "birds.zip").write_bytes(stream.getvalue())
    images = read()
    assert [(image.name, image.licence) for image in images] == [
        ("house sparrow", "CC BY 4.0"),
        ("tree creeper", "CC BY 4.0"),
    ]
    (place / "birds.zip").write_bytes(stream.getvalue() + b"\0")
    with pytest.raises(InputError, match="first reading"):
        read()


def test_unknown_names_are_errors_with_the_nearest(tmp_path):
    write(tmp_path)
    with pytest.raises(InputError, match=r"no data set 'bird'; did you mean 'birds'\?"):
        load_entry(tmp_path, "bird")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licences": "MIT"}, "licences"),
        ({"name": "other"}, "'name' is 'other'"),
        ({"source": {"kind": "manual", "page": "x", "files": []}}, "files"),
        ({"classes": 1}, "classes"),
    ],
)
def test_malformed_entries_are_errors_that_name_the_file(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(InputError, match=r"(?s)birds\.yaml: .*" + message):
        load_entry(tmp_path, "birds")


def test_the_page_in_the_docs_is_that_of_the_entries():
    command = "python -m nicheclip.data.registry_page workflow/registry/datasets docs/registry.md"
    stored = (SHIPPED.parents[2] / "docs/registry.md").read_text()
    assert stored == registry_page(SHIPPED), f"the entries changed; run: {command}"


def test_the_page_says_how_each_data_set_comes(tmp_path):
    archive = {"kind": "archive", "urls": ["https://example.org/a.zip"]}
    md5 = {"checksums": ["md5:" + "0" * 32]}
    hub = {"kind": "hub", "repository": "a/b"}
    entries = {
        "birds": {},
        "gone": {"missing": "The data\nitself."},
        "pinned": {"source": archive, "classes": None, "images": {"train": 1200, "test": 3}},
        "checked": {"source": archive | md5, "licence": "a | b"},
        "shared": {"source": hub},
    }
    for name, changes in entries.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(ENTRY | {"name": name} | changes))
    lines = registry_page(tmp_path).splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| [")]
    ways = {row[0].split("]")[0][3:]: row[2] for row in rows}
    assert list(ways) == sorted(entries)
    assert ways == {
        "birds": "by hand from [its page](https://example.org/birds)",
        "gone": "cannot be read yet",
        "pinned": "fetched, first download pinned",
        "checked": "fetched, published checksum",
        "shared": "from the hub",
    }
    assert rows[3][3:] == ["3 test, 1,200 train", "–", "CC BY 4.0 |"]
    assert "a \\| b" in next(line for line in lines if "[checked]" in line)
    assert "Missing: The data\nitself." in "\n".join(lines)
