import zipfile

import yaml
from test_registry import ENTRY

from nicheclip.config.fetched_sources import RegistrySource
from nicheclip.config.sources import FolderSource
from nicheclip.data.sources.open import open_source


def fill(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")


def images(tmp_path, source=None, **options):
    source = source or FolderSource(kind="folder", path=str(tmp_path))
    items = open_source("s", source, registry=tmp_path, seed=0, workers=1, **options)
    return [item for _, item in items]


def test_underscores_become_spaces_in_the_name_but_not_in_the_id(tmp_path):
    fill(tmp_path, ["rock_dove/1.jpg", "_/2.jpg", "Fly agaric/3.jpg"])
    assert [(image.label, image.name) for image in images(tmp_path)] == [
        ("Fly agaric", "Fly agaric"),
        ("_", "_"),
        ("rock_dove", "rock dove"),
    ]


def test_names_of_the_config_come_first(tmp_path):
    fill(tmp_path, ["a/1.jpg", "b/2.jpg"])
    found = images(tmp_path, names={"a": "aphid"})
    assert [(image.label, image.name) for image in found] == [("a", "aphid"), ("b", "b")]


def test_a_name_for_no_class_is_said(tmp_path, caplog):
    fill(tmp_path, ["a/1.jpg"])
    images(tmp_path, names={"a": "aphid", "B": "bee"})
    assert caplog.messages == ["names: no image here is of the class 'B'."]


def test_names_of_the_config_go_before_those_of_the_registry(tmp_path):
    source = ENTRY["source"] | {"folder": str(tmp_path)}
    (tmp_path / "birds.yaml").write_text(yaml.safe_dump(ENTRY | {"source": source}))
    (tmp_path / "birds").mkdir()
    with zipfile.ZipFile(tmp_path / "birds/birds.zip", "w") as archive:
        archive.writestr("x17/1.jpg", b"1")
        archive.writestr("tree_creeper/2.jpg", b"2")
    found = images(tmp_path, RegistrySource(kind="registry", name="birds"), names={"x17": "rook"})
    assert [image.name for image in found] == ["rook", "tree creeper"]
