"""Ranks over tasks: Friedman's and Nemenyi's tests, and the critical-difference figure."""

import warnings

import numpy as np
import pytest
import yaml

from nicheclip.config.tables import read_table_spec
from nicheclip.evaluation.rank_test import rank_test
from nicheclip.reporting.figure_kinds import critical_difference
from nicheclip.reporting.figure_kinds.critical_difference import critical_difference_figure
from nicheclip.reporting.style import save_figure
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, made, measure, methods_on_two_tasks, tables, write_cell


def test_ranks_and_the_statistic_by_hand():
    values = np.array([[0.9, 0.5, 0.1], [0.8, 0.8, 0.2], [0.7, 0.3, 0.5], [0.6, 0.5, 0.4]])
    found = rank_test(values)
    # by task: 1 2 3, 1.5 1.5 3, 1 3 2, 1 2 3
    assert found.ranks == pytest.approx((4.5 / 4, 8.5 / 4, 11 / 4))
    # 12 n / (m (m + 1)) * sum (rank - 2)^2, divided by 1 - ties / (n (m^3 - m)): one pair ties
    raw = 12 * 4 / 12 * sum((rank - 2) ** 2 for rank in found.ranks)
    assert found.statistic == pytest.approx(raw / (1 - 6 / (4 * 24)))
    assert found.p == pytest.approx(np.exp(-found.statistic / 2))  # chi-squared of two degrees


def test_a_task_with_a_missing_value_is_left_out_and_counted():
    whole = np.random.default_rng(4).uniform(size=(6, 3))
    holes = np.vstack([whole, [[0.1, np.nan, 0.9], [np.nan, np.nan, np.nan]]])
    found = rank_test(holes)
    assert (found.tasks, found.left_out) == (6, 2) and rank_test(whole).left_out == 0
    assert (found.ranks, found.p) == (rank_test(whole).ranks, rank_test(whole).p)
    figure = critical_difference_figure(["a", "b", "c"], found, "t")
    assert "2 tasks on which a method was not judged" in figure.get_supxlabel()
    # one complete task is too few, as it is where there never were more
    assert rank_test(np.where(np.arange(6)[:, None] == 0, whole, np.nan)) is None
    with pytest.raises(ValueError, match="a value is infinite"):
        rank_test(np.array([[0.1, 0.2, np.inf]] * 3))


@pytest.mark.parametrize(
    # the critical values of Demsar's Table 5, at 0.05 and at 0.10
    ("methods", "level", "quantile"),
    [(3, 0.05, 2.343), (4, 0.05, 2.569), (10, 0.05, 3.164), (3, 0.1, 2.052), (10, 0.1, 2.920)],
)
def test_the_critical_difference_is_that_of_the_published_table(methods, level, quantile):
    found = rank_test(np.random.default_rng(0).uniform(size=(14, methods)), level=level)
    expected = quantile * np.sqrt(methods * (methods + 1) / (6 * 14))
    assert found.difference == pytest.approx(expected, abs=1e-3)


def test_equal_methods_are_told_apart_as_seldom_as_it_says():
    rng = np.random.default_rng(0)
    found = [rank_test(rng.uniform(size=(12, 5))) for _ in range(400)]
    wrong = np.mean([len(one.alike()) != 1 or len(one.alike()[0]) < 5 for one in found])
    assert 0.01 <= wrong <= 0.08
    assert np.mean([one.p < 0.05 for one in found]) <= 0.08


def test_groups_are_the_largest_that_do_not_differ():
    steps = np.tile([4.0, 3.0, 2.0, 1.0], (6, 1))
    found = rank_test(steps)
    assert found.ranks == (1, 2, 3, 4) and 1 < found.difference < 2
    assert found.alike() == [[0, 1], [1, 2], [2, 3]]
    far = rank_test(np.tile([4.0, 3.0, 2.0, 1.0], (40, 1)))
    assert far.difference < 1 and far.alike() == []


def test_what_cannot_be_ranked():
    assert rank_test(np.zeros((5, 2))) is None and rank_test(np.zeros((1, 5))) is None
    ties = rank_test(np.full((4, 3), 0.5))
    assert (ties.ranks, ties.statistic, ties.p) == ((2, 2, 2), 0, 1)


@pytest.fixture
def paper_tables(tmp_path, monkeypatch):
    """Three methods on two tasks, of the paper FAIR."""
    monkeypatch.chdir(tmp_path)
    values = methods_on_two_tasks()
    accuracies = {"free-clip": (0.5, 0.6), "upl": (0.6, 0.5), "fair": (0.7, 0.7)}
    for method, row in accuracies.items():
        for task, accuracy in zip(("few", "more"), row, strict=True):
            write_cell(
                f"adapted/{method}/{task}/seed0",
                task,
                "zero_shot",
                measure("top1", accuracy),
                dataset="arbor",
            )
    return tables(values)


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_figure_of_a_papers_table(paper_tables, tmp_path, monkeypatch):
    request = paper_tables.by_name["fair_1"].request
    monkeypatch.setattr("nicheclip.reporting.pivot._p_values", lambda *_: {})
    drawn = critical_difference.draw(request, made(paper_tables, "fair_1")).figure
    names = {text for text in texts_of(drawn) if "  " in text}
    assert names == {"FAIR  1.00", "CLIP  2.50", "2.50  UPL"}
    assert "Mean rank over 2 tasks" in drawn.get_supxlabel()
    files = [
        [path.read_bytes() for path in save_figure(drawn, tmp_path / name)] for name in ("a", "b")
    ]
    assert files[0] == files[1]


def test_it_fits_and_names_what_was_left_out_and_what_is_too_few():
    names = [f"a method with a long name, number {number}" for number in range(13)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rank_test(np.random.default_rng(0).uniform(size=(3, 13)))
        figure = critical_difference_figure(names, found, "t" * 200, ["left out"])
        figure.draw_without_rendering()
        few = critical_difference_figure(names[:2], None, "few")
        few.draw_without_rendering()
    assert "Not judged on every task: left out." in figure.get_supxlabel()
    assert "Ranks need 3 methods" in few.texts[0].get_text()
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 4]
    assert len(bars) == 1 + len(found.alike())


@pytest.mark.parametrize("mean", ["seeds", "nothing"])
def test_the_column_of_the_mean_must_be_one(tmp_path, mean):
    spec = yaml.safe_load((REGISTRY / "tables/fair/1.yaml").read_text())
    spec["figure"]["mean"] = mean
    (tmp_path / "1.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(InputError, match=f"'{mean}'"):
        read_table_spec(tmp_path / "1.yaml")
