"""Archives whose images are rows of a table: the layouts of Meta-Album, BIOSCAN-1M, TreeOfLife-10M
and FungalZSL in miniature, read as the registry's entries say."""

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from nicheclip.config.archive_readers import MemberTableReader
from nicheclip.config.fetched_sources import ArchiveSource, RegistrySource
from nicheclip.data.registry import load_entry
from nicheclip.data.sources.archive import read_archives
from nicheclip.data.sources.archive_files import ArchiveFile
from nicheclip.data.sources.base import Part, SourceImage
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

ALL = Part()
SHIPPED = Path(__file__).parents[2] / "workflow" / "registry" / "datasets"


def pack(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def table(rows, delimiter=","):
    stream = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(stream, columns, delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def read(paths, reader, *, part=ALL, fetched=None):
    """What the archives give, and which of them were fetched (into ``fetched``)."""

    def fetch(path):
        if fetched is not None:
            fetched.append(path.name)
        return path

    files = [ArchiveFile(path.name, lambda path=path: fetch(path)) for path in paths]
    items = [
        item for _, item in read_archives(files, reader, inner=None, registry=SHIPPED, part=part)
    ]
    kept = {item.key: item for item in items if isinstance(item, SourceImage)}
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def reader_of(name):
    return load_entry(SHIPPED, name).source.reader


def reader(**options):
    return MemberTableReader.model_validate(
        {"kind": "member_table", "tables": {"all": "t.csv"}, "member": "{file}"}
        | {"columns": {"label": "label"}}
        | options
    )


@pytest.mark.parametrize("root", ["", "FNG_Mini/"])
def test_meta_album(tmp_path, root):
    rows = [
        {
            "FILE_NAME": "1.jpg",
            "CATEGORY": "Amanita muscaria (L.) Lam.",
            "SUPER": "A",
        },
        {"FILE_NAME": "2.jpg", "CATEGORY": "Boletus, edulis", "SUPER": "B"},
    ]
    files = {f"{root}images/{n}.jpg": n.encode() for n in "123"}
    files |= {f"{root}labels.csv": table(rows), f"{root}info.json": b"{}"}
    kept, dropped = read([pack(tmp_path / "FNG_Mini.zip", files)], reader_of("fungi_meta"))
    assert {key: (one.label, one.data) for key, one in kept.items()} == {
        f"FNG_Mini.zip/{root}images/1.jpg": ("Amanita muscaria (L.) Lam.", b"1"),
        f"FNG_Mini.zip/{root}images/2.jpg": ("Boletus, edulis", b"2"),
    }
    assert not dropped


def test_bioscan_has_ranks_and_an_insects_kingdom(tmp_path):
    rows = [
        {"image_file": "1.jpg", "chunk_number": 1, "phylum": "Arthropoda", "class": "Insecta"}
        | {"order": "Diptera", "family": "Phoridae", "genus": "not_classified"}
        | {"species": "not_classified", "nucraw": 'AC"GT'},
        {"image_file": "1.jpg", "chunk_number": 2, "phylum": "Arthropoda", "class": "Insecta"}
        | {"order": "Diptera", "family": "Muscidae", "genus": "Musca"}
        | {"species": "Musca domestica", "nucraw": ""},
    ]
    text = "\t".join(rows[0]) + "\n" + "".join("\t".join(map(str, r.values())) + "\n" for r in rows)
    (tmp_path / "BIOSCAN_Insect_Dataset_metadata.tsv").write_text(text)
    parts = {f"bioscan/images/cropped_256/part{n}/1.jpg": bytes([n]) for n in (1, 2)}
    paths = [
        tmp_path / "BIOSCAN_Insect_Dataset_metadata.tsv",
        pack(tmp_path / "cropped_256.zip", parts),
    ]
    kept, _ = read(paths, reader_of("bioscan1m"))
    phorid, fly = (kept[f"cropped_256.zip/{name}"] for name in parts)
    assert phorid.label == "Animalia/Arthropoda/Insecta/Diptera/Phoridae"
    assert (phorid.name, phorid.data, phorid.split) == ("Phoridae", b"\1", None)
    assert phorid.lineage["kingdom"] == "Animalia" and "genus" not in phorid.lineage
    assert fly.label.endswith("/Musca/Musca domestica") and fly.name == "Musca domestica"


RANKED = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes"}
THRUSH = RANKED | {"family": "Turdidae", "genus": "Turdus", "species": "merula"}
FOLDER = "00042_" + "_".join(THRUSH.values())


EOL = [("a", 1), ("z", 9), ("d", 4)]


def tree_of_life(tmp_path):
    """The three kinds of archives of TreeOfLife-10M, with the catalog of all of them."""
    eol = {"eol_content_id": "9.0", "eol_page_id": "7.0"}
    inat = {"inat21_filename": "b.jpg", "inat21_cls_name": FOLDER[6:], "inat21_cls_num": "42.0"}
    bioscan = {"bioscan_part": "113.0", "bioscan_filename": "c.jpg"}
    rows = [
        {"split": "train", "treeoflife_id": "aa-1"} | eol | RANKED | {"common": "a bird"},
        {"split": "train_small", "treeoflife_id": "aa-1"} | eol | RANKED | {"common": "a bird"},
        {"split": "val", "treeoflife_id": "bb-2"} | inat | THRUSH | {"common": "Blackbird"},
        {"split": "train", "treeoflife_id": "cc-3"} | bioscan | {"kingdom": "Animalia"},
        {"split": "train", "treeoflife_id": "dd-4"} | eol | RANKED | {"common": ""},
    ]
    (tmp_path / "catalog.csv").write_bytes(table(rows))
    unknown = {"license_name": "No known copyright restrictions", "copyright_owner": "not provided"}
    known = {"license_name": "cc-by-3.0", "copyright_owner": " 2009, Ann"}
    licences = [
        {"treeoflife_id": "zz-9", "eol_content_id": 1} | unknown | {"title": "x"},
        {"treeoflife_id": "aa-1", "eol_content_id": 9} | known | {"title": "not provided"},
        {"treeoflife_id": "dd-4", "eol_content_id": 2} | unknown | {"title": 'a "b", c'},
    ]
    (tmp_path / "licenses.csv").write_bytes(table(licences))
    return [
        tmp_path / "catalog.csv",
        tmp_path / "licenses.csv",
        pack(
            tmp_path / "image_set_01.tar.gz", {"aa-1.jpg": b"a", "zz-9.jpg": b"z", "dd-4.jpg": b"d"}
        ),
        pack(tmp_path / "train.tar.gz", {f"train/{FOLDER}/b.jpg": b"b"}),
        pack(tmp_path / "cropped_256.zip", {"bioscan/cropped_256/part113/c.jpg": b"c"}),
    ]


def test_tree_of_life_joins_three_sources(tmp_path):
    kept, dropped = read(tree_of_life(tmp_path), reader_of("treeoflife10m"))
    assert {one.data: (one.label, one.name, one.common, one.split) for one in kept.values()} == {
        b"a": ("Animalia/Chordata/Aves/Passeriformes", "Passeriformes", "a bird", "train"),
        b"b": ("/".join(THRUSH.values()), "Turdus merula", "Blackbird", "val"),
        b"c": ("Animalia", "Animalia", "", "train"),
        b"d": ("Animalia/Chordata/Aves/Passeriformes", "Passeriformes", "", "train"),
    }
    assert not dropped
    assert {one.data: (one.licence, one.rights_holder) for one in kept.values()} == {
        b"a": ("cc-by-3.0", "2009, Ann"),
        b"b": (None, None),  # not of EOL
        b"c": (None, None),
        b"d": ("No known copyright restrictions", None),
    }


def test_a_table_of_rights_that_is_absent_or_has_other_columns_is_an_error(tmp_path):
    catalog, rights, *archives = tree_of_life(tmp_path)
    with pytest.raises(InputError, match=r"no file or member ends in 'licenses\.csv'"):
        read([catalog, *archives], reader_of("treeoflife10m"))
    rights.write_text("treeoflife_id,licence\naa-1,x\n")
    with pytest.raises(InputError, match=r"licenses\.csv: no column 'license_name' among"):
        read([catalog, rights, *archives], reader_of("treeoflife10m"))


def test_an_empty_table_of_rights_says_nothing(tmp_path):
    paths = tree_of_life(tmp_path)
    paths[1].write_text("treeoflife_id,license_name,copyright_owner\n")
    kept, _ = read(paths, reader_of("treeoflife10m"))
    assert len(kept) == 4 and {one.licence for one in kept.values()} == {None}


def fungus(filename, species, **other):
    genus, epithet = species.split() if species else ("", "")
    ranks = {"kingdom": "Fungi", "phylum": "Basidiomycota", "class": "Agaricomycetes"}
    ranks |= {"order": "Agaricales", "family": "Amanitaceae", "genus": genus}
    return (
        {"eventDate": "2021-09-01", "scientificName": f"{species} (L.) Lam.", **ranks}
        | {
            "specificEpithet": epithet,
            "species": species,
            "observationID": 123,
            "filename": filename,
            "category_id": 1.0,
            "habitat": 'wood, "mixed"',
        }
        | other
    )


@pytest.mark.parametrize(
    ("name", "stem", "closed"),
    [("fungitastic", "FungiTastic", "ClosedSet-"), ("fungitastic_mini", "FungiTastic-Mini", "")],
)
def test_fungitastic_has_its_tables_in_an_archive_of_their_own(tmp_path, name, stem, closed):
    tables = {
        f"{stem}-Train.csv": [fungus("0-1.JPG", "Amanita muscaria"), fungus("0-2.JPG", "")],
        f"{stem}-{closed}Val.csv": [fungus("0-3.JPG", "Amanita regalis", observationID=7)],
        f"{stem}-{closed}Test.csv": [fungus("0-4.JPG", "Amanita muscaria")],
        f"{stem}-OpenSet-Test.csv": [fungus("0-5.JPG", "Boletus edulis", category_id=-1)],
        "FungiTastic-FewShot-Train.csv": [fungus("0-6.JPG", "Boletus edulis")],
    }
    members = {f"{stem}/{file}": table(rows) for file, rows in tables.items()}
    paths = [pack(tmp_path / "metadata.zip", members)]
    for split, numbers in {"train": "12", "val": "3", "test": "45"}.items():
        photographs = {f"{stem}/{split}/500p/0-{n}.JPG": n.encode() for n in numbers}
        paths.append(pack(tmp_path / f"{stem}-{split}-500p.zip", photographs))
    entry = load_entry(SHIPPED, name)
    assert [url.rpartition("/")[2] for url in entry.source.urls] == [path.name for path in paths]
    kept, dropped = read(paths, entry.source.reader)
    assert {one.data: (one.label, one.split, one.group) for one in kept.values()} == {
        b"1": ("Amanita muscaria", "train", "123"),
        b"3": ("Amanita regalis", "val", "7"),
        b"4": ("Amanita muscaria", "test", "123"),
    }
    assert list(dropped.values()) == ["the table names no class"]
    one = kept[f"{stem}-train-500p.zip/{stem}/train/500p/0-1.JPG"]
    assert (one.lineage["family"], one.lineage["species"]) == ("Amanitaceae", "muscaria")
    source = RegistrySource(kind="registry", name=name)
    assert source.gives_splits(SHIPPED) == "reader.tables"


def test_the_million_of_tree_of_life_are_its_small_training_split(tmp_path):
    catalog, rights, eol, inat, _ = tree_of_life(tmp_path)
    kept, _ = read([catalog, rights, eol, inat], reader_of("treeoflife1m"))
    assert {one.data: one.split for one in kept.values()} == {b"a": "train", b"b": "val"}


def test_a_part_fetches_the_archives_of_its_share_alone(tmp_path):
    paths, found = tree_of_life(tmp_path), {}
    for number in range(3):
        fetched = []
        kept, _ = read(paths, reader_of("treeoflife10m"), part=Part(number, 3), fetched=fetched)
        assert fetched == ["catalog.csv", "licenses.csv", paths[number + 2].name]
        found |= kept
    assert found == read(paths, reader_of("treeoflife10m"))[0]


def test_fungalzsl_has_a_json_table_for_each_split(tmp_path):
    paths = []
    for split in ("train", "val", "test"):
        rows = [
            {"image_path": f"/Dataset/{split}/spore_{n}.png", "class_label": "spore"}
            for n in range(2)
        ]
        (tmp_path / f"{split}_data.json").write_text(json.dumps(rows))
        paths.append(tmp_path / f"{split}_data.json")
    images = {f"any/Dataset/{s}/spore_{n}.png": b"x" for s in ("train", "test") for n in range(2)}
    kept, _ = read([*paths, pack(tmp_path / "dataset.zip", images)], reader_of("fungalzsl"))
    assert {key.split("/")[-2]: one.split for key, one in kept.items()} == {
        "train": "train",
        "test": "test",
    }
    assert len(kept) == 4


def test_another_layout_is_an_error_that_says_what_was_expected(tmp_path):
    path = pack(tmp_path / "x.zip", {"t.csv": b"file,label\n1.jpg,a\n", "other.jpg": b"1"})
    message = r"names one of its 1 images.*first is 'other\.jpg'.*like '1\.jpg'.*\{file\}"
    with pytest.raises(InputError, match=message):
        read([path], reader())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,label\n1.jpg,a\n", r"t\.csv: no column 'file' among \['name', 'label'\]"),
        (b"file,label\n1.jpg,a\n2.jpg,a\n./1.jpg,b\n", r"1 rows name .* rows 1 and 3 "),
        (b"file,label\n", "no row names an image"),
        (b"\xff\xfe\x00", "not a readable table"),
    ],
)
def test_damaged_tables_are_errors(tmp_path, content, message):
    path = pack(tmp_path / "x.zip", {"t.csv": content, "1.jpg": b"1"})
    with pytest.raises(InputError, match=message):
        read([path], reader())


def test_a_table_that_is_nowhere_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"x\.zip: no file or member ends in 't\.csv'"):
        read([pack(tmp_path / "x.zip", {"a/1.jpg": b"1"})], reader())


def test_bad_rows_are_left_out_and_good_ones_stay(tmp_path, caplog):
    rows = b"file,label\n1.jpg,a\n2.jpg,a,b,c\n3.jpg,\n4.jpg, b \n"
    files = {"t.csv": rows} | {f"{n}.jpg": b"%d" % n for n in range(1, 5)}
    kept, dropped = read([pack(tmp_path / "x.zip", files)], reader())
    assert {one.data: one.label for one in kept.values()} == {b"1": "a", b"4": "b"}
    assert dropped == {"x.zip/3.jpg": "the table names no class"}
    assert "left out 1 rows" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"member": "images/x.jpg"}, "must name columns"),
        ({"member": []}, "at least 1 item"),
        ({"member": "{number:x}"}, "must name columns"),
        ({"columns": {"common": "c"}}, "give label, or ranks"),
        ({"splits": {"a": "train"}}, r"columns\.split"),
    ],
)
def test_malformed_readers_are_errors(options, message):
    with pytest.raises(ValidationError, match=message):
        reader(**options)


def test_a_source_says_whether_its_table_gives_splits(tmp_path):
    def gives(**options):
        values = {"kind": "archive", "urls": ["https://example.org/a.zip"]}
        source = ArchiveSource.model_validate(values | {"reader": reader(**options).model_dump()})
        return source.gives_splits(tmp_path)

    assert gives() == ""
    assert gives(tables={"train": "a.csv", "test": "b.csv"}) == "reader.tables"
    assert gives(columns={"label": "l", "split": "fold"}) == "reader.columns.split: fold"
