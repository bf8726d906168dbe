from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from nicheclip.evaluation.seen_classes import (
    ClassGroups,
    SeenFiles,
    choose_classes,
    class_groups,
    read_class_groups,
    seen_files,
)
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG, CLASSES
from nicheclip.terms import RANKS
from small_evaluation import image_id


def table(**lineages):
    """Classes by id, each with (kingdom, genus, species)."""
    rows = [
        dict.fromkeys([*RANKS, "common"], "")
        | {"class_id": class_id, "name": class_id, "images": 1}
        | dict(zip(("kingdom", "genus", "species"), names, strict=True))
        for class_id, names in lineages.items()
    ]
    return pl.from_arrow(pa.Table.from_pylist(rows, schema=CLASSES))


SEEN = table(
    s1=("Fungi", "Agaricus", "augustus"),
    s2=("Animalia", "Oenanthe", "hispanica"),
    nameless=("Fungi", "Amanita", ""),
)


def test_groups_by_hand():
    judged = table(
        authority=("Fungi", "Agaricus", "Agaricus augustus Fr."),
        other_kingdom=("Plantae", "Oenanthe", "hispanica"),
        new_genus=("Fungi", "Boletus", "edulis"),
        known_genus=("Fungi", "Agaricus", "bisporus"),
        nameless=("Fungi", "Amanita", ""),
        stranger=("", "", ""),
        metazoan=("Metazoa", "Oenanthe", "hispanica"),
    )
    assert class_groups(judged, SEEN) == {
        "all": sorted(judged["class_id"]),
        "seen": ["authority", "metazoan", "nameless"],
        "unseen": ["known_genus", "new_genus", "other_kingdom", "stranger"],
        "unseen_known_genus": ["known_genus"],
        "unseen_new_genus": ["new_genus", "other_kingdom"],
    }


def test_empty_groups_are_left_out():
    assert list(class_groups(SEEN, SEEN)) == ["all", "seen"]
    assert list(class_groups(SEEN, SEEN.clear())) == ["all", "unseen", "unseen_new_genus"]


@pytest.fixture
def files(tmp_path):
    """Three classes, of which s1 alone has a train image."""
    images = [("s1", "train"), ("s1", "test"), ("s2", "test"), ("nameless", "test")]
    rows = [
        dict.fromkeys(CATALOG.names)
        | {"image_id": image_id(i), "class_id": class_id, "split": split, "part": 0}
        for i, (class_id, split) in enumerate(images)
    ]
    write_parquet(tmp_path / "catalog.parquet", pa.Table.from_pylist(rows, schema=CATALOG))
    write_parquet(tmp_path / "classes.parquet", SEEN.to_arrow().cast(CLASSES))
    return str(tmp_path / "classes.parquet"), str(tmp_path / "catalog.parquet")


def test_only_train_images_make_a_class_seen(files):
    classes, catalog = files
    groups = read_class_groups(classes, seen_catalog=catalog, seen_classes=classes)
    assert groups["seen"] == ["s1"] and groups["unseen"] == ["nameless", "s2"]


def test_the_choice_of_an_evaluation(files):
    classes, catalog = files
    groups = ClassGroups(classes, {Path(classes).parent.name: SeenFiles(catalog, classes)})
    everything, by_seen = groups.by(None), groups.by(Path(classes).parent.name)
    assert everything == {"all": ["nameless", "s1", "s2"]}
    assert choose_classes("all", everything, seen_in=None) == ["nameless", "s1", "s2"]
    assert choose_classes("unseen", by_seen, seen_in="d") == ["nameless", "s2"]
    with pytest.raises(InputError, match=r"1 of 3 classes are seen in the train split of d;"):
        choose_classes("seen", by_seen, seen_in="d")


def test_groups_are_found_once_for_each_data_set(files):
    classes, catalog = files
    groups = ClassGroups(classes, {"d": SeenFiles(catalog, classes)})
    first = groups.by("d")
    Path(catalog).unlink()
    assert groups.by("d") is first


def test_files_belong_to_the_data_set_of_their_folder():
    found = seen_files(["r/x/catalog.parquet", "r/y/catalog.parquet"], ["r/x/c", "r/y/c"])
    assert found["y"] == SeenFiles(Path("r/y/catalog.parquet"), Path("r/y/c"))
    assert list(found) == ["x", "y"]


def test_groups_within_a_taxon(files):
    classes, catalog = files
    groups = ClassGroups(classes, {"d": SeenFiles(catalog, classes)})
    assert groups.by(None, {"kingdom": "Fungi"}) == {"all": ["nameless", "s1"]}
    assert groups.by("d", {"kingdom": "Fungi"})["unseen"] == ["nameless"]
    assert groups.by("d", {}) == groups.by("d")


def test_a_taxon_with_fewer_than_two_classes_says_which_there_are(files):
    classes, _ = files
    with pytest.raises(
        InputError,
        match=r"within: 1 of 3 classes are of kingdom: Fungi, genus: Amanita; expected two or more"
        r".* kingdom: Animalia, Fungi; genus: Agaricus, Amanita, Oenanthe\. Correct",
    ):
        ClassGroups(classes, {}).by(None, {"kingdom": "Fungi", "genus": "Amanita"})
