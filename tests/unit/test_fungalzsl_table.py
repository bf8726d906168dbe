import csv
from pathlib import Path

import pytest
from scipy import stats

from nicheclip.evaluation.bootstrap import Interval
from nicheclip.evaluation.metrics import (
    CellMetrics,
    JudgedModel,
    Measure,
    measure_cost,
    write_metrics,
)
from nicheclip.reporting.fungalzsl import MeasuredRow, fungalzsl_table, read_published
from nicheclip.reporting.table import Measured, Number, to_csv, to_markdown
from nicheclip.runtime.errors import InputError

REGISTRY = Path(__file__).parents[2] / "workflow" / "registry" / "tables" / "fungalzsl_1.csv"
PUBLISHED = read_published(REGISTRY)


def write_cell(path, *, by_class=None, top1=None, n=180):
    def measure(value, chance):
        interval = Interval(
            low=value - 0.01, high=value + 0.01, confidence=0.95, method="bootstrap"
        )
        return Measure(value=value, n=n, interval=interval, chance=chance)

    extra = {}
    if by_class is not None:
        extra = {
            "recall_at_1_class": measure(by_class, 1 / 3),
            "recall_at_1_item": measure(0.02, 1 / n),
        }
    write_metrics(
        path,
        CellMetrics(
            evaluation="e",
            dataset="fungi",
            split="test",
            model=JudgedModel(origin="train", name="m"),
            seed=0,
            protocol="retrieval" if extra else "colour_histogram",
            n=n,
            classes=3,
            top1=None if top1 is None else measure(top1, 1 / 3),
            extra=extra,
            cost=measure_cost(0.1),
        ),
    )
    return path


@pytest.fixture
def row(tmp_path):
    trained = [
        write_cell(tmp_path / f"{i}.json", by_class=v) for i, v in enumerate([0.9, 0.94, 0.89])
    ]
    return MeasuredRow(
        "ViT-B/16",
        tuple(trained),
        (write_cell(tmp_path / "start.json", by_class=0.35),),
        write_cell(tmp_path / "baseline.json", top1=0.8),
    )


def cells(table, label):
    keys = [column.key for column in table.columns]
    return next(dict(zip(keys, r, strict=True)) for r in table.rows if r[0] == label)


def test_the_registry_has_the_papers_numbers():
    values = {row.model: row.recall_at_1 for row in PUBLISHED}
    assert values == {"RN50": 0.333, "ViT-B/32": 0.670, "ViT-B/16": 0.913, "ViT-L/14@336px": 0.973}
    assert all("2502.19038" in row.source for row in PUBLISHED)


def test_mean_spread_and_students_interval_over_seeds_by_hand(row):
    found = cells(fungalzsl_table([row], PUBLISHED, scale="paper"), "ViT-B/16")
    by_class = found["recall_at_1_class"]
    assert by_class.value == pytest.approx(0.91)
    # deviations -.01, .03, -.02: variance .0014 / 2
    assert by_class.spread == pytest.approx(0.0007**0.5)
    reach = 4.302653 * (0.0007 / 3) ** 0.5
    assert by_class.low == pytest.approx(0.91 - reach, abs=1e-6)
    assert by_class.high == pytest.approx(0.91 + reach, abs=1e-6)
    assert (by_class.low, by_class.high) == pytest.approx(
        stats.t.interval(0.95, 2, loc=0.91, scale=(0.0007 / 3) ** 0.5)
    )
    assert by_class.sources == tuple(path.as_posix() for path in row.trained)
    assert found["difference"].value == pytest.approx(0.91 - 0.913)
    assert found["before_training"] == Measured(
        0.35, (row.untrained[0].as_posix(),), low=pytest.approx(0.34), high=pytest.approx(0.36)
    )
    assert found["colour_histogram"].value == 0.8
    assert (found["n"], found["seeds"]) == (Number(180, 0), Number(3, 0))


def test_rows_that_did_not_run_have_published_numbers_and_nothing_else(row):
    table = fungalzsl_table([row], PUBLISHED, scale="paper")
    found = cells(table, "RN50")
    assert found.pop("model") == "RN50" and found.pop("published") == Number(0.333)
    assert set(found.values()) == {None}


def test_demo_scale_is_marked_and_not_compared(row):
    table = fungalzsl_table([row], PUBLISHED, scale="demo")
    assert cells(table, "ViT-B/16")["difference"] is None
    assert "demo scale, not comparable with the paper" in to_markdown(table)
    assert {r["scale"] for r in csv.DictReader(to_csv(table).splitlines())} == {"demo"}
    assert "not comparable" not in to_markdown(fungalzsl_table([row], PUBLISHED, scale="paper"))


def test_a_row_that_the_paper_does_not_have_stands_last_without_published_number(row):
    own = MeasuredRow("nicheclip-small", row.trained[:1], row.untrained, row.baseline)
    table = fungalzsl_table([own], PUBLISHED, scale="demo")
    assert [r[0] for r in table.rows][-1] == "nicheclip-small" and len(table.rows) == 5
    found = cells(table, "nicheclip-small")
    assert found["published"] is None
    assert found["recall_at_1_class"].spread is None
    assert found["recall_at_1_class"].low == pytest.approx(0.89)
    assert any("bootstrap over images" in note for note in table.notes)


def test_seeds_on_different_images_are_refused(tmp_path, row):
    other = write_cell(tmp_path / "other.json", by_class=0.5, n=90)
    wrong = MeasuredRow("RN50", (*row.trained, other), (), None)
    with pytest.raises(InputError, match=r"\[90, 180\]"):
        fungalzsl_table([wrong], PUBLISHED, scale="paper")


def test_a_cell_of_another_protocol_is_refused(row):
    wrong = MeasuredRow("RN50", (row.baseline,), (), None)
    with pytest.raises(InputError, match=r"baseline\.json: has no recall_at_1_class"):
        fungalzsl_table([wrong], PUBLISHED, scale="paper")


def test_a_broken_registry_file_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("model,recall_at_1,source\nRN50,high,x\n")
    with pytest.raises(InputError, match=r"t\.csv"):
        read_published(tmp_path / "t.csv")
