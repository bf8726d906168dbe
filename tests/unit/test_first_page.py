"""The report's first page: mistakes counted by hand, advice from numbers, no name that is HTML."""

import json
import re

import polars as pl
import pytest

from nicheclip.evaluation.predictions import write_group_predictions, write_predictions
from nicheclip.plan.page_request import DatasetPart, EvaluationPart, PagePlan, WrongPart
from nicheclip.reporting.advice import next_steps
from nicheclip.reporting.first_page import first_page
from nicheclip.reporting.mistakes import confused_pairs, surest_mistakes
from nicheclip.reporting.near_duplicates import closest_pairs
from nicheclip.runtime.files import write_json, write_parquet, write_text
from nicheclip.schemas import CATALOG
from small_evaluation import predictions_of, small_image_sets, write_classes

PAIRS = [("a", "b"), ("b", "b"), ("c", "a"), ("a", "b"), ("b", "c"), ("c", "c"), ("a", "a")]


def test_pairs_are_sorted_by_how_often_they_are_confused():
    # of three a two are taken for b; of two b one for c; of two c one for a
    assert confused_pairs(predictions_of(PAIRS)) == [
        ("a", "b", 2, 3),
        ("b", "c", 1, 2),
        ("c", "a", 1, 2),
    ]


def test_the_surest_mistakes_come_first():
    predictions = predictions_of(PAIRS)
    predictions.scores[4][0] = 0.9
    assert surest_mistakes(predictions) == [4, 0, 2, 3]
    assert surest_mistakes(predictions, most=1) == [4]


def frame(*rows):
    """Measures of (kind, value, low, chance)."""
    columns = {"kind": pl.String, "value": pl.Float64, "low": pl.Float64, "chance": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        pl.lit("pests").alias("dataset"),
        pl.col("kind").alias("name"),
        pl.lit("seed0").alias("variant"),
        pl.lit("top1").alias("measure"),
        pl.when(pl.col("kind") == "baseline")
        .then(pl.lit("colour_histogram"))
        .otherwise(pl.lit("zero_shot"))
        .alias("protocol"),
        pl.lit(None, pl.String).alias("class_id"),
        pl.lit(58).alias("n"),
    )


@pytest.fixture
def plan(tmp_path):
    """A page about the squares, whose classes have names of a hostile kind."""
    small_image_sets(tmp_path, train=3, test=7)
    write_classes(tmp_path / "classes.parquet")
    predictions = predictions_of([(label, best) for label, best in PAIRS])
    write_json(
        tmp_path / "manifest.json",
        {
            "counts": {"images": 10, "classes": 3, "train": 3, "test": 7},
            "dropped_counts": {"damaged <img>": 2},
            "noted_counts": {},
        },
    )
    write_json(tmp_path / "findings.json", ["evaluation.e: <script>alert(1)</script>"])
    table = "<!DOCTYPE html><html><body><table><caption>T</caption></table></body></html>"
    write_text(tmp_path / "table.html", table)
    write_text(tmp_path / "confusion.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    # the images of the test split have the numbers 3 to 9
    ids = [f"{number:016x}" for number in range(3, 10)]
    predictions = predictions.__class__(
        ids, predictions.labels, predictions.classes, predictions.scores
    )
    write_predictions(tmp_path / "predictions.parquet", predictions)
    return PagePlan(
        title="squares & <b>more</b>",
        datasets=[
            DatasetPart(
                name="squares",
                manifest=str(tmp_path / "manifest.json"),
                findings=str(tmp_path / "findings.json"),
                catalog=str(tmp_path / "catalog.parquet"),
                images=str(tmp_path),
                near_duplicate_bits=4,
            )
        ],
        evaluations=[
            EvaluationPart(
                name="e",
                table=str(tmp_path / "table.html"),
                metrics=[],
                wrong=[
                    WrongPart(
                        title="run (seed0)",
                        figure=str(tmp_path / "confusion.svg"),
                        by_text_type=False,
                        predictions=str(tmp_path / "predictions.parquet"),
                        classes=str(tmp_path / "classes.parquet"),
                        catalog=str(tmp_path / "catalog.parquet"),
                        images=str(tmp_path / "test"),
                    )
                ],
            )
        ],
        papers=[],
        training={},
        random_starts=["run"],
        single_seeds=[],
        details="report_details.html",
    )


def test_the_page_shows_results_mistakes_and_pictures(plan):
    page = first_page(plan)
    assert "<caption>T</caption>" in page and 'href="report_details.html"' in page
    assert "2 of 3 images of Ant were taken for Bee." in page
    assert page.index("2 of 3") < page.index("1 of 2 images of Bee was taken for Cat_$1.")
    assert page.count("data:image/jpeg;base64,") == 4  # the four wrong answers
    assert page.count("data:image/svg+xml;base64,") == 1
    assert len(re.findall(r'class="wrong">[^<]* 70%', page)) == 4
    assert "10 images of 3 classes (3 train, 0 val, 7 test); damaged &lt;img&gt;: 2" in page
    assert page.count("<script") == 1 and "<b>more</b>" not in page  # the one that sorts


def test_of_several_text_types_the_mistakes_by_the_best_are_shown(plan, tmp_path):
    ids = [f"{number:016x}" for number in range(3, 10)]
    answers = {
        ("com", "all"): PAIRS,
        ("sci", "all"): [(label, label) for label, _ in PAIRS[:-1]] + [("a", "c")],
        ("taxon", "seen"): [(label, label) for label, _ in PAIRS],
    }
    found = {}
    for key, pairs in answers.items():
        one = predictions_of(pairs)
        found[key] = type(one)(ids, one.labels, one.classes, one.scores)
    write_group_predictions(tmp_path / "predictions.parquet", found)
    wrong = plan.evaluations[0].wrong[0].model_copy(update={"by_text_type": True, "figure": None})
    evaluation = plan.evaluations[0].model_copy(update={"wrong": [wrong]})
    page = first_page(plan.model_copy(update={"evaluations": [evaluation]}))
    assert "<h3>run (seed0), by its best texts (sci)</h3>" in page
    assert page.count("data:image/jpeg;base64,") == 1 and "Confusion matrix" not in page
    assert "1 of 3 images of Ant was taken for Cat_$1." in page


def test_a_model_without_mistakes_is_said_to_have_none(plan, tmp_path):
    right = predictions_of([(label, label) for label, _ in PAIRS])
    write_predictions(tmp_path / "predictions.parquet", right)
    assert "No mistakes." in first_page(plan)


def with_near_duplicates(tmp_path):
    """Images 0, 1, 2 train; 5 and 9 of test are near 2, 7 and 8 have one hash, the others none."""
    hashes = {2: 0b0, 5: 0b111, 9: 0b1, 7: 0xFF << 8, 8: 0xFF << 8}
    catalog = pl.read_parquet(tmp_path / "catalog.parquet")
    far = [hashes.get(number, 0xABCD << (4 * number + 16)) for number in range(10)]
    rows = catalog.with_columns(
        phash=pl.Series([one % 2**64 for one in far], dtype=pl.UInt64),
        key=pl.Series([f"<i>{number}.jpg" for number in range(10)]),
    )
    write_parquet(tmp_path / "catalog.parquet", rows.to_arrow().cast(CATALOG))


def test_near_duplicates_of_two_splits_come_first_and_each_image_once(plan, tmp_path):
    with_near_duplicates(tmp_path)
    pairs = closest_pairs(tmp_path / "catalog.parquet", bits=4)
    # 2 is near 9 by one bit, and near 5 by three; 5 and 9 differ in two
    numbers = [(int(p.first["image_id"], 16), int(p.second["image_id"], 16)) for p in pairs]
    assert (numbers, [p.bits for p in pairs]) == ([(2, 9), (7, 8)], [1, 0])
    assert [p.across for p in pairs] == [True, False]
    assert [p.bits for p in closest_pairs(tmp_path / "catalog.parquet", bits=4, most=1)] == [1]


def test_near_duplicates_are_shown_with_split_class_and_file(plan, tmp_path):
    assert "Near duplicates" not in first_page(plan)  # none is counted
    with_near_duplicates(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["counts"] |= {"near duplicates": 5, "near duplicates of train in test": 2}
    write_json(tmp_path / "manifest.json", manifest)
    shown = re.search(r"<h2[^>]*>Near duplicates in squares.*?<h2", first_page(plan), re.DOTALL)[0]
    assert "5 images look like versions of others. 2 test images have a version among" in shown
    assert shown.count("data:image/jpeg;base64,") == 4
    assert re.findall(r"<b>(\w+)</b>: (\w)<br>(.*?)</fig", shown) == [
        ("train", "c", "&lt;i&gt;2.jpg"),
        ("test", "a", "&lt;i&gt;9.jpg"),
        ("test", "b", "&lt;i&gt;7.jpg"),
        ("test", "c", "&lt;i&gt;8.jpg"),
    ]


def test_tables_of_papers_stand_before_those_of_evaluations(plan, tmp_path):
    write_text(tmp_path / "paper.html", "<body><table><caption>P</caption></table></body>")
    page = first_page(plan.model_copy(update={"papers": [str(tmp_path / "paper.html")]}))
    assert page.index("<caption>P") < page.index("<details><summary>All that") < page.index(">T<")
    assert page.count("<details><summary>All that") == 1
    assert "<details><summary>All that" not in first_page(plan)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # the interval of the trained model begins at or below chance
        ([("trained", 0.2, 0.1, 0.14)], "cannot be told from chance (0.200, chance 0.140)"),
        (
            [("trained", 0.53, 0.41, 0.14), ("baseline", 0.52, 0.4, 0.14)],
            "not shown to be better than a colour histogram (0.530 against 0.520)",
        ),
        ([("start", 0.1, 0.05, 0.14)], "e: 58 images are judged, so the intervals are wide"),
    ],
)
def test_advice_follows_from_the_numbers(plan, rows, expected):
    assert any(expected in step for step in next_steps(plan, {"e": frame(*rows)}))


def test_a_model_that_beats_both_gets_no_such_advice(plan):
    rows = [("trained", 0.8, 0.7, 0.14), ("baseline", 0.52, 0.4, 0.14), ("start", 0.1, 0, 0.14)]
    steps = next_steps(plan, {"e": frame(*rows)})
    assert not any("chance" in step or "histogram" in step for step in steps)
    assert steps[0] == "evaluation.e: <script>alert(1)</script>"
    assert any("random weights" in step for step in steps)
