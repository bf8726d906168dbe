"""How well measures order methods: Kendall's tau by task, its interval over tasks."""

import polars as pl
import pytest

from nicheclip.reporting.figure_kinds import ranks as figure
from nicheclip.reporting.ranks import chosen_value, tau
from nicheclip.reporting.table import Measured, rows_by_key
from nicheclip.reporting.table_files import write_table
from small_tables import made, measure, methods_on_two_tasks, tables, write_cell

NAMES = ("confidence", "balance", "information", "zero_shot_agreement", "silhouette")
#: accuracy and, by name, signals of three methods on two tasks
TASKS = {
    "few": {"free-clip": (0.5, 0.2), "upl": (0.6, 0.3), "fair": (0.7, 0.4)},
    "more": {"free-clip": (0.5, 0.4), "upl": (0.6, 0.3), "fair": (0.7, 0.2)},
}


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = methods_on_two_tasks()
    for task, methods in TASKS.items():
        for method, (accuracy, signal) in methods.items():
            signals = [
                measure(f"signal_{name}", signal if name != "balance" else 1.0, reach=0)
                for name in NAMES
            ]
            write_cell(
                f"adapted/{method}/{task}/seed0",
                task,
                "zero_shot",
                measure("top1", accuracy),
                *signals,
                dataset="arbor",
            )
    return made(tables(values), "fair_choosing")


def test_tau_by_task_its_mean_and_the_accuracy_of_what_a_signal_chooses(table):
    rows = {row["signal"]: row for row in rows_by_key(table)}
    found = rows["Mean confidence"]
    assert (found["tau_few"].value, found["tau_more"].value) == (1, -1)
    assert found["tau"].value == 0
    assert (found["tau"].low, found["tau"].high) == (-1, 1)
    assert found["chosen"].value == pytest.approx((0.7 + 0.5) / 2)
    assert len(found["chosen"].sources) == 6


def test_a_signal_that_is_the_same_for_all_methods_orders_nothing(table):
    found = {row["signal"]: row for row in rows_by_key(table)}["Class balance"]
    assert found["tau"] is None and found["tau_few"] is None
    assert found["chosen"].value == pytest.approx(0.6)  # all share the first place


def test_what_was_not_measured_has_no_row_and_chance_and_best_stand_beside(table):
    names = [row["signal"] for row in rows_by_key(table)]
    assert names == [
        "Mean confidence",
        "Class balance",
        "Information",
        "Agreement with zero-shot",
        "Silhouette, start model",
        "drawn at random",
        "the best, known from labels",
    ]
    random, best = rows_by_key(table)[-2:]
    assert (random["chosen"].value, best["chosen"].value) == (pytest.approx(0.6), 0.7)


def test_the_files_and_the_figure(table, tmp_path):
    write_table(table, tmp_path, "choosing")
    read = pl.read_csv(tmp_path / "choosing.csv")
    assert read["tau_low"].to_list()[0] == -1
    lines = [text.get_text() for text in figure.draw(None, table).figure.axes[0].get_yticklabels()]
    assert lines == [
        "Mean confidence",
        "Information",
        "Agreement with zero-shot",
        "Silhouette, start model",
    ]


def test_two_rows_or_less_have_no_order():
    rows = [{"a": Measured(n, ()), "b": Measured(n, ())} for n in range(2)]
    assert tau(rows, "a", "b") is None
    assert chosen_value([{"a": None, "b": Measured(1, ())}], "a", "b") is None
