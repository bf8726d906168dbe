import zipfile

import pytest
import yaml
from test_registry import ENTRY

from nicheclip.config.sources import FolderSource, RegistrySource
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.errors import InputError


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


@pytest.mark.parametrize(
    "folders", [("Rose", "rose"), ("sea_ice", "sea ice"), ("Äsche", "äsche"), ("a_b", "A B")]
)
def test_two_classes_of_one_name_stop_and_can_be_told_apart(tmp_path, folders):
    fill(tmp_path, [f"{folder}/1.jpg" for folder in folders])
    message = r"both called .*no text can tell them apart.*same folder or label.*names: {"
    with pytest.raises(InputError, match=message):
        images(tmp_path)
    found = images(tmp_path, names={folders[1]: "another"})
    assert {image.name for image in found} >= {"another"}
    with pytest.raises(InputError, match="both called 'x'"):
        images(tmp_path, names=dict.fromkeys(folders, "x"))


def test_names_of_the_config_go_before_those_of_the_registry(tmp_path):
    source = ENTRY["source"] | {"folder": str(tmp_path)}
    (tmp_path / "birds.yaml").write_text(yaml.safe_dump(ENTRY | {"source": source}))
    (tmp_path / "birds").mkdir()
    with zipfile.ZipFile(tmp_path / "birds/birds.zip", "w") as archive:
        archive.writestr("x17/1.jpg", b"1")
        archive.writestr("tree_creeper/2.jpg", b"2")
    found = images(tmp_path, RegistrySource(kind="registry", name="birds"), names={"x17": "rook"})
    assert [image.name for image in found] == ["rook", "tree creeper"]
