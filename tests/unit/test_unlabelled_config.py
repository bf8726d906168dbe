"""Data sets without labels in the config: what can be made of them, and what cannot."""

import pytest
import yaml

from nicheclip.config.class_list import class_names
from nicheclip.config.workflow import parse_config
from nicheclip.data.sources.base import Part, SourceImage
from nicheclip.data.sources.unlabelled import open_images
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError
from nicheclip.terms import UNLABELLED
from small_tables import REGISTRY, ROOT

DINO = {"kind": "dino"}


def unlabelled(**changes):
    values = yaml.safe_load((ROOT / "workflow/config/unlabelled.yaml").read_text())
    values["datasets"]["photos"]["source"] |= {"classes": ["ant", "bee"]}
    return values | changes


def test_it_is_adapted_to_and_answered_for_but_not_judged():
    plan = Plan(parse_config(unlabelled()), REGISTRY)
    assert plan.adaptations.unlabelled == ["photos"]
    assert plan.judged == {} and plan.all_cells() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training": {"run": {"dataset": "photos", "model": "start", "epochs": 1}}},
            r"training\.run\.dataset: the data set 'photos' has no labels",
        ),
        (
            {"evaluation": {"e": {"dataset": "photos", "models": ["start"]}}},
            r"evaluation\.e\.dataset: the data set 'photos' has no labels",
        ),
        (
            {"tasks": {"photos": {"dataset": "photos"}}},
            r"tasks\.photos: the data set 'photos' has no labels, .*set judge: train",
        ),
        (
            {"papers": {"fair": {"methods": {"FAIR": "fair"}, "tasks": ["photos"]}}},
            r"papers\.fair\.tasks: the images of the task 'photos' have no labels",
        ),
    ],
)
def test_nothing_else_can_use_it(changes, message):
    values = unlabelled(**changes)
    if "training" in changes:
        run = values["training"]["run"]
        run |= {"recipe": {"kind": "contrastive"}, "texts": {"types": {"com": 1}}, "batch_size": 8}
        run |= {"optimizer": {"lr": 1e-3}}
    with pytest.raises(InputError, match=message):
        parse_config(values)


def test_an_image_model_may_learn_from_it():
    """Self-supervision reads no label, so features of the photographs' own can be had."""
    values = unlabelled(
        pretraining={"own": {"dataset": "photos", "backbone": "resnet18", "recipe": DINO}}
    )
    values["adaptation"]["moved"] = {
        "method": {"kind": "optimal_transport", "vision": ["own"]},
        "model": "start",
        "tasks": ["photos"],
    }
    plan = Plan(parse_config(values), REGISTRY)
    assert plan.split_files(plan.config.pretraining["own"].dataset, ("train",))


def test_a_list_of_classes_is_read_without_comments_and_empty_lines(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes(b"\xef\xbb\xbfgrey  heron\r\n\n# birds\ncoot\n")
    assert class_names(str(path)) == ["grey heron", "coot"]


def test_a_class_may_not_be_called_like_no_label():
    with pytest.raises(InputError, match="cannot be called"):
        class_names(["ant", UNLABELLED])


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"classes\.txt: not a readable text in UTF-8"):
        class_names(str(path))


def test_images_at_any_depth_in_parts_and_other_files_are_named(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("1.jpg", "a/2.PNG", "a/b/3.webp", "a/notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"x")
    values = unlabelled()
    values["datasets"]["photos"]["source"]["path"] = str(tmp_path)
    source = parse_config(values).datasets["photos"].source
    parts = [list(open_images(source, None).items(Part(number, 2))) for number in (0, 1)]
    found = dict(sorted([*parts[0], *parts[1]]))
    assert [one.key for one in found.values()] == ["1.jpg", "a/2.PNG", "a/b/3.webp", "a/notes.txt"]
    assert {one.label for one in found.values() if isinstance(one, SourceImage)} == {UNLABELLED}
    assert found[3].reason == "not an image file"
    missing = source.model_copy(update={"path": str(tmp_path / "none")})
    with pytest.raises(InputError, match="no such folder"):
        next(iter(open_images(missing, None).items(Part())))
