"""The page of pictures with what a model takes labelled images for."""

import re

import pytest

from nicheclip.config.workflow import parse_config
from nicheclip.evaluation.predictions import write_predictions
from nicheclip.plan.figures import confusion_figures
from nicheclip.plan.page import page_plan
from nicheclip.plan.page_request import WrongPart
from nicheclip.plan.plan import Plan
from nicheclip.plan.tables import PaperTables
from nicheclip.reporting import predictions_page as module
from nicheclip.reporting.predictions_page import predictions_page, rows_by_class
from small_evaluation import image_id, predictions_of, small_image_sets, write_classes
from small_tables import REGISTRY, config

#: of the images 3 to 9: of a one of three is right, of b one of two, of c both
PAIRS = [("a", "b"), ("b", "b"), ("c", "c"), ("a", "c"), ("b", "a"), ("c", "c"), ("a", "a")]


def answers():
    found = predictions_of(PAIRS)
    found.scores[3][0] = 0.9
    found.scores[5][0] = 0.6
    ids = [image_id(number) for number in range(3, 10)]
    return type(found)(ids, found.labels, found.classes, found.scores)


@pytest.fixture
def part(tmp_path):
    small_image_sets(tmp_path, train=3, test=7)
    write_classes(tmp_path / "classes.parquet")
    write_predictions(tmp_path / "predictions.parquet", answers())
    return WrongPart(
        title="run <b> (seed0)",
        figure=None,
        by_text_type=False,
        predictions=str(tmp_path / "predictions.parquet"),
        classes=str(tmp_path / "classes.parquet"),
        catalog=str(tmp_path / "catalog.parquet"),
        images=str(tmp_path / "test"),
    )


def test_classes_with_mistakes_come_first_and_in_them_the_surest_mistake():
    assert rows_by_class(answers()) == [("a", [3, 0, 6]), ("b", [4, 1]), ("c", [5, 2])]


def test_every_image_is_shown_once_with_its_answer(part):
    page = predictions_page(part, "../report.html")
    assert page.count("data:image/jpeg;base64,") == 7
    assert "4 of 7 images are right" in page and 'href="../report.html"' in page
    assert re.findall(r"<h2>(.*?) <small>(.*?)</small>", page) == [
        ("Ant", "1 of 3 right"),
        ("Bee", "1 of 2 right"),
        ("Cat_$1", "2 of 2 right"),
    ]
    figures = re.findall(r"<figure( class=\"wrong\")?>.*?<b>(.*?)</b>", page)
    assert [(bool(mark), text) for mark, text in figures] == [
        (True, "Cat_$1 90%"),
        (True, "Bee 70%"),
        (False, "Ant 70%"),
        (True, "Ant 70%"),
        (False, "Bee 70%"),
        (False, "Cat_$1 60%"),
        (False, "Cat_$1 70%"),
    ]
    assert "<script" not in page and "run &lt;b&gt;" in page


def test_of_many_classes_and_images_some_are_shown(part, monkeypatch):
    monkeypatch.setattr(module, "MOST_CLASSES", 2)
    monkeypatch.setattr(module, "MOST_OF_A_CLASS", 2)
    page = predictions_page(part, "report.html")
    assert page.count("data:image/jpeg;base64,") == 4
    assert "The 2 of 3 classes with the most mistakes." in page and "Cat_$1 60%" not in page


def test_own_images_get_a_page_for_each_evaluation_and_papers_none():
    values = config("tiny")
    plan = Plan(parse_config(values), REGISTRY)
    assert page_plan(plan, PaperTables(plan), "d.html").pages == []
    del values["papers"]
    values["training"]["another"] = values["training"]["fungi-tiny"]
    plan = Plan(parse_config(values), REGISTRY)
    assert len(confusion_figures(plan)) == 4
    pages = page_plan(plan, PaperTables(plan), "d.html").pages
    assert pages == [
        f"results/predictions/{name}/fungi/fungi-tiny-seed0.html" for name in ("visual", "plain")
    ]
