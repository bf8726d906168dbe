import csv

import pytest
from scipy import stats

from nicheclip.reporting.published import read_published
from nicheclip.reporting.table import Measured, Number, rows_by_key
from nicheclip.reporting.table_files import to_csv, to_markdown
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, config, made, measure, tables, write_cell

VALUES = (0.9, 0.94, 0.89)


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def retrieval(subject, by_class, n=180):
    measures = [
        measure("recall_at_1", by_class, n, 3, reach=0.01, by="class"),
        measure("recall_at_1", 0.02, n, n, reach=0.01, by="item"),
    ]
    return write_cell(subject, "visual", "retrieval", *measures, dataset="fungi", n=n, classes=3)


def trained(seed):
    return f"trained/fungi-tiny/seed{seed}"


def written(label="ViT-B/16", seeds=3, scale="paper"):
    """The tables of a row that has been measured."""
    for seed in range(seeds):
        retrieval(trained(seed), VALUES[seed])
        retrieval(f"start/tiny/seed{seed}", 0.35)
    top1 = measure("top1", 0.8, 180, 3)
    baseline = ("baseline/colour_histogram/default", "visual", "colour_histogram")
    write_cell(*baseline, top1, dataset="fungi", n=180, classes=3)
    values = config("tiny", papers__fungalzsl__rows={label: "fungi-tiny"})
    values["training"]["fungi-tiny"]["seeds"] = list(range(seeds))
    values["scale"] = scale
    return tables(values)


def row_of(table, label):
    return next(row for row in rows_by_key(table) if row["model"] == label)


def test_the_registry_has_the_papers_numbers():
    path = REGISTRY / "published/fungalzsl_1.csv"
    rows = read_published(path, {"model": "{model}"}, ["recall_at_1"])
    values = {row.texts["model"]: row.values["recall_at_1"] for row in rows}
    assert values == {"RN50": 0.333, "ViT-B/32": 0.670, "ViT-B/16": 0.913, "ViT-L/14@336px": 0.973}
    assert all("2502.19038" in row.source for row in rows)


def test_mean_spread_and_students_interval_over_seeds_by_hand():
    found = row_of(made(written(), "fungalzsl_1"), "ViT-B/16")
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
    assert len(by_class.sources) == 3
    assert found["difference"].value == pytest.approx(0.91 - 0.913)
    assert found["recall_at_1_item"].value == pytest.approx(0.02)
    assert found["before_training"].value == pytest.approx(0.35)
    assert found["colour_histogram"].value == 0.8
    assert (found["chance_class"], found["chance_item"]) == (Number(1 / 3), Number(1 / 180))
    assert (found["n"], found["seeds"]) == (Number(180, 0), Number(3, 0))


def test_rows_that_did_not_run_have_published_numbers_and_nothing_else():
    found = row_of(made(written(), "fungalzsl_1"), "RN50")
    assert found.pop("model") == "RN50" and found.pop("published") == Number(0.333)
    assert set(found.values()) == {None}


def test_demo_scale_is_marked_and_not_compared():
    table = made(written(scale="demo"), "fungalzsl_1")
    assert row_of(table, "ViT-B/16")["difference"] is None
    assert "demo scale, not comparable with the paper" in to_markdown(table)
    assert {r["scale"] for r in csv.DictReader(to_csv(table).splitlines())} == {"demo"}
    assert "not comparable" not in to_markdown(made(written(scale="paper"), "fungalzsl_1"))


def test_a_row_that_the_paper_does_not_have_is_last_without_published_number():
    table = made(written("nicheclip-small", seeds=1, scale="demo"), "fungalzsl_1")
    assert [r[0] for r in table.rows][-1] == "nicheclip-small" and len(table.rows) == 5
    found = row_of(table, "nicheclip-small")
    assert found["published"] is None
    path = "results/evaluate/fungi/test/trained/fungi-tiny/seed0/visual/retrieval/metrics.json"
    low, high = pytest.approx(0.89), pytest.approx(0.91)
    assert found["recall_at_1_class"] == Measured(0.9, (path,), low=low, high=high)
    assert "Published: FungalZSL (arXiv 2502.19038), Table 1." in table.notes


def test_seeds_on_different_images_are_refused():
    ready = written()
    retrieval(trained(1), 0.5, n=90)
    with pytest.raises(InputError, match=r"\[90, 180\]"):
        made(ready, "fungalzsl_1")


def test_a_cell_without_the_measure_is_refused():
    ready = written(seeds=1)
    write_cell(trained(0), "visual", "retrieval", measure("top1", 0.8, 180, 3), dataset="fungi")
    with pytest.raises(InputError, match=r"metrics\.json: has no recall_at_1 \(by class\)"):
        made(ready, "fungalzsl_1")


def test_without_a_baseline_its_column_is_empty():
    values = config("tiny", evaluation__visual__baseline=False)
    entries = tables(values).by_name["fungalzsl_1"].request.rows[0].entries
    assert "recall_at_1_class" in entries and "colour_histogram" not in entries
