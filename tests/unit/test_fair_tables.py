"""FAIR's tables from judged cells: the sweep over numbers of crops, and the test beside a mean."""

import json
from pathlib import Path

import pytest

from nicheclip.evaluation.predictions import write_predictions
from nicheclip.plan.cells import Cell
from nicheclip.reporting.figure_kinds.scatter import draw
from nicheclip.reporting.table import Number, rows_by_key
from nicheclip.subjects import Subject
from small_evaluation import predictions_of
from small_tables import config, made, measure, methods_on_two_tasks, tables, write_cell


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_report(name, seconds, memory):
    """Of a run on twelve images of three classes."""
    folder = Path(f"results/models/adapted/{name}/few/seed0")
    folder.mkdir(parents=True)
    report = {
        "facts": {"images": 12, "classes": 3},
        "trainable": 100,
        "seconds": seconds,
        "peak_memory_bytes": memory * 2**20,
    }
    (folder / "train.json").write_text(json.dumps(report))


def test_the_sweep_over_crops_shows_accuracy_time_and_memory():
    values = config("adapt", adaptation__fair__seeds=[0])
    sweep = {(2, 1): (0.5, 2.0, 100), (4, 2): (0.6, 3.0, 200), (8, 4): (0.7, 5.0, 400)}
    rows = {}
    for (crops, top), (accuracy, seconds, memory) in sweep.items():
        name = f"fair-{crops}-{top}"
        method = {"kind": "fair", "epochs": 1, "crops": crops, "top_crops": top}
        values["adaptation"][name] = {"method": method, "model": "tiny", "tasks": ["few"]}
        rows[f"N = {crops}, k = {top}"] = name
        write_cell(
            f"adapted/{name}/few/seed0",
            "few",
            "zero_shot",
            measure("top1", accuracy),
            dataset="arbor",
        )
        write_report(name, seconds, memory)
    values["papers"]["fair"] |= {"crops": rows, "crop_tasks": ["few"]}
    planned = tables(values)
    table = made(planned, "fair_crops")
    found = rows_by_key(table)
    assert [row["crops"] for row in found] == ["N = 2, k = 1", "N = 4, k = 2", "N = 8, k = 4"]
    assert [row["few"].value for row in found] == pytest.approx([50, 60, 70])
    # all N crops, the plain view and the strong one
    assert [row["forward"] for row in found] == [Number(4, 2), Number(6, 2), Number(10, 2)]
    assert [row["seconds"].value for row in found] == [2.0, 3.0, 5.0]
    assert [row["memory"].value for row in found] == [100, 200, 400]
    panels = draw(planned.by_name["fair_crops"].request, table).figure.axes
    assert [len(panel.lines) for panel in panels] == [3, 3, 3]
    assert panels[0].get_ylabel() == "few"


def test_each_method_is_tested_against_zero_shot_by_the_mean_of_the_tasks():
    """FAIR is right where CLIP is wrong on all of eight images of both tasks: 2 of 2^8 exchanges
    are as extreme, and Holm's method doubles the smaller of two p-values. UPL is like CLIP.
    """
    values = methods_on_two_tasks()
    for name, predicted in (("free-clip", "b"), ("upl", "b"), ("fair", "a")):
        for task in ("few", "more"):
            write_cell(
                f"adapted/{name}/{task}/seed0",
                task,
                "zero_shot",
                measure("top1", float(predicted == "a")),
                dataset="arbor",
            )
            subject = Subject(kind="adapted", name=f"{name}/{task}", variant="seed0")
            cell = Cell(subject, task, "arbor", "test", "zero_shot")
            write_predictions(cell.predictions, predictions_of([("a", predicted)] * 8, "abc"))
    table = made(tables(values), "fair_1")
    found = {row["method"]: row["p"] for row in rows_by_key(table)}
    assert found["CLIP"] is None
    assert found["FAIR"].value == pytest.approx(2 * 2 / 256, abs=0.006)
    assert found["UPL"] == Number(1.0, 4)
    assert any("against CLIP, corrected for 2 comparisons by Holm" in one for one in table.notes)


def test_the_best_epoch_on_test_has_columns_that_say_so_where_it_is_asked_for():
    values = methods_on_two_tasks()
    best = {"few": 0.875, "more": 0.75}
    for name in ("free-clip", "upl", "fair"):
        for task in ("few", "more"):
            write_cell(
                f"adapted/{name}/{task}/seed0",
                task,
                "zero_shot",
                measure("top1", 0.5),
                *[measure("best_epoch_top1", best[task], reach=0)] * (name == "fair"),
                dataset="arbor",
            )
            subject = Subject(kind="adapted", name=f"{name}/{task}", variant="seed0")
            cell = Cell(subject, task, "arbor", "test", "zero_shot")
            write_predictions(cell.predictions, predictions_of([("a", "a")] * 8, "abc"))
    plain = made(tables(values), "fair_1")
    assert not any("selected on test" in column.label for column in plain.columns)
    values["adaptation"]["fair"] |= {"best_epoch": True, "tasks": ["few", "more", "few-test"]}
    del values["papers"]["fair"]["batched"]
    planned = tables(values)
    table = made(planned, "fair_1")
    added = [one for one in table.columns if one not in plain.columns]
    assert [one.label for one in added] == [
        "few, best epoch on test (selected on test)",
        "more, best epoch on test (selected on test)",
        "Mean of best epochs on test (selected on test)",
    ]
    rows = {row["method"]: row for row in rows_by_key(table)}
    shown = [rows["FAIR"][one.key] for one in added]
    assert [one.value for one in shown] == pytest.approx([87.5, 75, 81.25])
    assert rows["UPL"][added[0].key] is None and rows["CLIP"][added[2].key] is None
    # the result, its mean and its mark stay those of the last epoch
    assert rows["FAIR"]["average"].value == pytest.approx(50)
    assert planned.by_name["fair_1"].request.mark.columns == ["few", "more"]
