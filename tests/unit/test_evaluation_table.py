import pytest

from nicheclip.evaluation.frame import read_cells
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.table import rows_by_key
from small_tables import measure, write_cell


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def cell(subject, protocol, *measures, dataset="d"):
    return write_cell(subject, "e", protocol, *measures, dataset=dataset)


def table(*paths):
    return evaluation_table("e", read_cells(paths), scale="own")


@pytest.fixture
def rows():
    few_shot = [measure("top1", v, n=5, reach=None, shots=s) for s, v in ((1, 0.4), (5, 0.6))]
    return rows_by_key(
        table(
            cell("start/vit/seed0", "zero_shot", measure("top1", 0.25)),
            cell("trained/run/seed0", "zero_shot", measure("top1", 0.5)),
            cell("trained/run/seed1", "zero_shot", measure("top1", 0.7)),
            cell("trained/run/seed0", "few_shot", *few_shot),
            cell("baseline/hist/default", "colour_histogram", measure("top1", 0.9)),
        )
    )


def test_seeds_of_one_model_share_a_row(rows):
    trained = next(r for r in rows if r["model"] == "run" and r["measure"] == "top-1 accuracy")
    assert trained["state"] == "trained"
    assert trained["value"].value == pytest.approx(0.6)
    assert trained["value"].spread == pytest.approx(0.1 * 2**0.5)
    assert len(trained["value"].sources) == trained["seeds"].value == 2


def test_rows_of_one_measure_are_together_with_the_baseline(rows):
    assert [(r["measure"], r["state"]) for r in rows] == [
        ("top-1 accuracy", "before training"),
        ("top-1 accuracy", "trained"),
        ("top-1 accuracy", "baseline"),
        ("1-shot accuracy", "trained"),
        ("5-shot accuracy", "trained"),
    ]
    assert rows[-1]["n"].value == 5, "folds"


def test_accuracies_of_several_protocols_are_told_apart():
    paths = [
        cell("trained/run/seed0", protocol, measure("top1", value))
        for protocol, value in (("zero_shot", 0.3), ("knn", 0.6), ("linear_probe", 0.7))
    ]
    assert [(row["measure"], row["value"].value) for row in rows_by_key(table(*paths))] == [
        ("top-1 accuracy", 0.3),
        ("top-1 accuracy, knn", 0.6),
        ("top-1 accuracy, linear probe", 0.7),
    ]


def test_a_measure_that_a_cell_does_not_have_has_no_row(rows):
    assert not [r for r in rows if r["measure"] == "top-5 accuracy"]


def test_one_seed_shows_the_interval_over_images(rows):
    assert (rows[0]["value"].low, rows[0]["value"].high) == pytest.approx((0.15, 0.35))


def test_text_types_have_a_row_for_each_group():
    def entries(value):
        groups = (("all", 4, 0.5), ("unseen_new_genus", 2, value))
        for group, classes, one in groups:
            facets = {"text_type": "sci", "group": group}
            yield measure("top1", one, 10 * classes, classes, **facets)
            yield measure("top5", 0.9, 10 * classes, classes, **facets)

    seeds = ((0, 0.6), (1, 0.8))
    paths = [cell(f"trained/run/seed{s}", "text_types", *entries(v)) for s, v in seeds]
    rows = table(*paths).rows
    assert [row[0] for row in rows] == ["top-1, sci, all", "top-1, sci, unseen new genus"]
    assert [row[3].value for row in rows] == pytest.approx([0.5, 0.7])
    assert [(row[6].value, row[7].value, row[8].value) for row in rows] == [(40, 4, 2), (20, 2, 2)]


def test_retrieval_shows_recall_and_a_new_protocol_all_that_it_measures():
    recall = [measure("recall_at_1", v, by=by) for by, v in (("class", 0.5), ("item", 0.1))]
    rows = table(
        cell("trained/run/seed0", "retrieval", measure("top1", 0.5), *recall),
        cell("trained/run/seed0", "probe", measure("top1", 0.6), measure("harmonic_mean", 0.4)),
    ).rows
    assert [(row[0], row[3].value) for row in rows] == [
        ("Recall@1 by class", 0.5),
        ("Recall@1 by item", 0.1),
        ("top-1 accuracy, probe", 0.6),
        ("harmonic mean, probe", 0.4),
    ]


def test_macro_majority_and_the_level_of_the_intervals_are_there():
    found = table(
        cell(
            "trained/run/seed0",
            "zero_shot",
            measure("top1", 0.5),
            measure("macro", 0.4, reach=None),
            measure("majority", 0.3, reach=None),
        )
    )
    top1, macro = rows_by_key(found)
    assert (top1["measure"], top1["majority"].value) == ("top-1 accuracy", 0.3)
    assert (macro["measure"], macro["value"].value, macro["majority"]) == (
        "macro accuracy",
        0.4,
        None,
    )
    assert found.constants[-1] == ("confidence", "0.95")
    assert "bootstrap 95 % interval" in found.notes[0]


def test_the_table_says_where_the_predictions_are():
    path = cell("trained/run/seed0", "zero_shot", measure("top1", 0.5))
    note = table(path).notes[-1]
    folder = path.partition("/trained/")[0]
    assert f"predictions.csv in {folder}/KIND/MODEL/SEED/e/" in note
    few_shot = measure("top1", 0.4, n=5, reach=None, shots=1)
    assert len(table(cell("trained/run/seed0", "few_shot", few_shot)).notes) == 1


def test_several_data_sets_have_a_column():
    paths = [cell("trained/run/seed0", "zero_shot", measure("top1", 0.5), dataset=d) for d in "ab"]
    assert [row["dataset"] for row in rows_by_key(table(*paths))] == ["a", "b"]
    assert "dataset" not in rows_by_key(table(paths[0]))[0]
