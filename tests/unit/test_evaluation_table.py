import pytest

from nicheclip.evaluation.bootstrap import Interval
from nicheclip.evaluation.metrics import (
    CellMetrics,
    GroupAccuracy,
    JudgedModel,
    Measure,
    measure_cost,
    write_metrics,
)
from nicheclip.reporting.evaluation_table import evaluation_table


def measure(value, n=40):
    interval = Interval(low=value - 0.1, high=value + 0.1, confidence=0.95, method="bootstrap")
    return Measure(value=value, n=n, interval=interval, chance=0.25)


def cell(path, protocol, origin, name, seed, **measures):
    write_metrics(
        path,
        CellMetrics(
            evaluation="e",
            dataset="d",
            split="test",
            model=JudgedModel(origin=origin, name=name),
            seed=seed,
            protocol=protocol,
            n=40,
            classes=4,
            cost=measure_cost(0.1),
            **measures,
        ),
    )
    return path


@pytest.fixture
def rows(tmp_path):
    metrics = [
        cell(tmp_path / "a.json", "zero_shot", "models", "vit", 0, top1=measure(0.25)),
        cell(tmp_path / "b.json", "zero_shot", "train", "run", 0, top1=measure(0.5)),
        cell(tmp_path / "c.json", "zero_shot", "train", "run", 1, top1=measure(0.7)),
        cell(
            tmp_path / "d.json",
            "few_shot",
            "train",
            "run",
            0,
            extra={"shots_1": measure(0.4, n=5), "shots_5": measure(0.6, n=5)},
        ),
        cell(tmp_path / "e.json", "colour_histogram", "baseline", "hist", None, top1=measure(0.9)),
    ]
    table = evaluation_table("e", metrics, scale="own")
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def test_seeds_of_one_model_share_a_row(rows):
    trained = next(r for r in rows if r["model"] == "run" and r["measure"] == "top-1 accuracy")
    assert trained["state"] == "trained"
    assert trained["value"].value == pytest.approx(0.6)
    assert trained["value"].spread == pytest.approx(0.1 * 2**0.5)
    assert len(trained["value"].sources) == trained["seeds"].value == 2


def test_rows_of_one_measure_stand_together_with_the_baseline(rows):
    assert [(r["measure"], r["state"]) for r in rows] == [
        ("top-1 accuracy", "before training"),
        ("top-1 accuracy", "trained"),
        ("top-1 accuracy", "baseline"),
        ("1-shot accuracy", "trained"),
        ("5-shot accuracy", "trained"),
    ]


def test_a_measure_that_a_cell_has_not_got_has_no_row(rows):
    assert not [r for r in rows if r["measure"] == "top-5 accuracy"]


def test_one_seed_shows_the_interval_over_images(rows):
    assert (rows[0]["value"].low, rows[0]["value"].high) == pytest.approx((0.15, 0.35))


def test_text_types_have_a_row_for_each_group(tmp_path):
    def entry(text_type, group, classes, value):
        return GroupAccuracy(
            text_type=text_type,
            group=group,
            classes=classes,
            top1=measure(value, n=10 * classes),
            top5=measure(0.9),
            macro=value,
            hierarchical=None,
        )

    paths = [
        cell(
            tmp_path / f"{seed}.json",
            "text_types",
            "train",
            "run",
            seed,
            groups=[entry("sci", "all", 4, 0.5), entry("sci", "unseen_new_genus", 2, value)],
        )
        for seed, value in ((0, 0.6), (1, 0.8))
    ]
    rows = evaluation_table("e", paths, scale="own").rows
    assert [row[0] for row in rows] == ["top-1, sci, all", "top-1, sci, unseen new genus"]
    assert [row[3].value for row in rows] == pytest.approx([0.5, 0.7])
    assert [(row[5].value, row[6].value, row[7].value) for row in rows] == [(40, 4, 2), (20, 2, 2)]
