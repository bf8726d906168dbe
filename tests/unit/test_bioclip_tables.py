import csv
from pathlib import Path

import pytest

from nicheclip.evaluation.bootstrap import Interval
from nicheclip.evaluation.metrics import (
    CellMetrics,
    GroupAccuracy,
    JudgedModel,
    Measure,
    RankAccuracy,
    measure_cost,
    write_metrics,
)
from nicheclip.evaluation.predictions import write_group_predictions
from nicheclip.reporting.bioclip_cells import RunCells, cells_by_key
from nicheclip.reporting.bioclip_effect import Arm, effect_table
from nicheclip.reporting.bioclip_few_shot import Task, few_shot_table, read_published
from nicheclip.reporting.bioclip_figures import accuracy_figure, effect_figure
from nicheclip.reporting.bioclip_ranks import rank_chances, ranks_table
from nicheclip.reporting.bioclip_text_types import ablation_table, text_types_table
from nicheclip.reporting.table import Measured, Number, Table, to_csv, to_markdown
from nicheclip.runtime.errors import InputError
from small_evaluation import predictions_of, write_classes

ROOT = Path(__file__).parents[2]
PUBLISHED = read_published(ROOT / "workflow/registry/tables/bioclip_rare_species.csv")
SIZES = {"seen": 8, "unseen": 4}


def rows_of(table: Table):
    return [cells_by_key(table.columns, row) for row in table.rows]


def measure(value, n, classes):
    interval = Interval(low=value - 0.1, high=value + 0.1, confidence=0.95, method="bootstrap")
    return Measure(value=value, n=n, interval=interval, chance=1 / classes)


def write_cell(path, *, shots=None, n=120, **values):
    """``taxon_com_unseen=0.5``: top-1 accuracy by that text type in that group."""
    groups = []
    for name, value in values.items():
        text_type, group = name.rsplit("_", 1)
        classes = SIZES[group]
        ranks = [RankAccuracy(rank="genus", n=10, accuracy=value + 0.1)]
        groups.append(
            GroupAccuracy(
                text_type=text_type,
                group=group,
                classes=classes,
                top1=measure(value, 10 * classes, classes),
                top5=measure(0.8, 10 * classes, classes) if classes > 5 else None,
                macro=value,
                hierarchical=ranks,
            )
        )
    extra = {
        f"shots_{count}": Measure(value=value, n=5, std=0.02, chance=0.25)
        for count, value in (shots or {}).items()
    }
    write_metrics(
        path,
        CellMetrics(
            evaluation="e",
            dataset="arbor",
            split="test",
            model=JudgedModel(origin="train", name="m"),
            seed=0,
            protocol="few_shot" if shots else "text_types",
            n=n,
            classes=12,
            groups=groups,
            extra=extra,
            cost=measure_cost(0.1),
        ),
    )
    return path


@pytest.fixture
def run(tmp_path):
    trained = [
        write_cell(tmp_path / f"{i}.json", taxon_com_seen=a, taxon_com_unseen=b)
        for i, (a, b) in enumerate([(0.5, 0.3), (0.6, 0.4)])
    ]
    before = write_cell(tmp_path / "start.json", taxon_com_seen=0.1, taxon_com_unseen=0.2)
    return RunCells("small", tuple(trained), (before,))


def test_text_types_have_a_row_for_each_group_with_the_same_model_before_training(run):
    table = text_types_table([run], ["taxon_com"], scale="demo")
    seen, unseen = rows_of(table)
    assert (seen["species"], unseen["species"]) == ("seen", "unseen")
    assert unseen["text_type"] == "taxonomic + common"
    assert unseen["top1"].value == pytest.approx(0.35)
    assert unseen["top1"].spread == pytest.approx(0.005**0.5)
    assert unseen["top1"].sources == tuple(path.as_posix() for path in run.trained)
    assert unseen["before_training"].value == 0.2
    assert (seen["top5"].value, unseen["top5"]) == (pytest.approx(0.8), None)
    counts = [unseen[key] for key in ("chance", "n", "classes", "seeds")]
    assert counts == [Number(0.25), Number(40, 0), Number(4, 0), Number(2, 0)]
    assert "demo scale, not comparable with the paper" in to_markdown(table)


def test_the_ablation_has_a_row_for_each_training_and_a_column_for_each_test(tmp_path):
    texts = {"com_unseen": 0.3, "taxon_com_unseen": 0.1, "com_seen": 0.9, "taxon_com_seen": 0.9}
    runs = [
        RunCells("com", (write_cell(tmp_path / "com.json", **texts),)),
        RunCells("mixed", (write_cell(tmp_path / "mixed.json", **texts | {"com_unseen": 0.4}),)),
    ]
    com, mixed = rows_of(ablation_table(runs, ["com", "taxon_com"], scale="own"))
    assert (com["trained_on"], mixed["trained_on"]) == ("common", "all of them, mixed")
    assert (com["com"].value, com["taxon_com"].value, mixed["com"].value) == (0.3, 0.1, 0.4)
    # a single seed keeps the record's own interval
    assert (com["com"].low, com["com"].high) == pytest.approx((0.2, 0.4))


def test_the_registry_has_the_data_cards_numbers():
    values = {(row.model, row.shots): row.accuracy for row in PUBLISHED}
    assert values["BioCLIP", 0] == 0.3809
    assert values["BioCLIP", 1] == 0.449
    assert values["BioCLIP", 5] == 0.657
    assert len(values) == 12 and {row.source for row in PUBLISHED} == {
        "Rare Species data card (revised set)"
    }


def few_shot_task(tmp_path, label, dataset):
    zero = write_cell(tmp_path / "zero.json", taxon_com_unseen=0.4)
    few = write_cell(tmp_path / "few.json", shots={1: 0.5, 5: 0.7}, n=40)
    before = write_cell(tmp_path / "before.json", shots={1: 0.26, 5: 0.27}, n=40)
    return Task(
        dataset, "unseen", RunCells(label, (zero,), (zero,)), RunCells(label, (few,), (before,))
    )


def test_few_shot_stands_beside_zero_shot_and_the_published_numbers_in_rows_of_their_own(tmp_path):
    task = few_shot_task(tmp_path, "BioCLIP", "arbor")
    rows = rows_of(few_shot_table([task], PUBLISHED, "taxon_com", scale="demo"))
    published, measured = rows[:12], rows[12:]
    assert {row["dataset"] for row in published} == {"rare_species"}
    assert {row["accuracy"] for row in published} == {None}
    assert [row["shots"] for row in measured] == ["zero-shot", "1-shot", "5-shot"]
    assert [row["accuracy"].value for row in measured] == [0.4, 0.5, 0.7]
    assert [row["before_training"].value for row in measured] == [0.4, 0.26, 0.27]
    assert {row["published"] for row in measured} == {None}
    assert {row["chance"] for row in measured} == {Number(0.25)}
    assert {(row["n"], row["classes"]) for row in measured} == {(Number(40, 0), Number(4, 0))}


def test_a_difference_to_the_published_number_stands_at_the_papers_scale_alone(tmp_path):
    task = few_shot_task(tmp_path, "BioCLIP", "rare_species")

    def found(scale):
        rows = rows_of(few_shot_table([task], PUBLISHED, "taxon_com", scale=scale))
        assert len(rows) == 12, "the measured numbers stand in the published rows"
        return next(r for r in rows if (r["model"], r["shots"]) == ("BioCLIP", "5-shot"))

    row = found("paper")
    assert row["published"] == Number(0.657)
    assert row["difference"].value == pytest.approx(0.7 - 0.657) and row["difference"].signed
    assert found("demo")["difference"] is None


def test_a_broken_file_of_published_numbers_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("model,shots,accuracy,source\nCLIP,zero,0.3,x\n")
    with pytest.raises(InputError, match=r"t\.csv"):
        read_published(tmp_path / "t.csv")


LINEAGES = {
    "a": {"kingdom": "Animalia", "genus": "Apis"},
    "b": {"kingdom": "Animalia", "genus": "Bombus"},
    "c": {"kingdom": "Plantae", "genus": "Carex"},
}


def test_chance_at_a_rank_by_hand(tmp_path):
    classes = write_classes(tmp_path / "classes.parquet", LINEAGES)
    chances = rank_chances(["a", "a", "a", "c"], classes)
    # two classes to choose from, of different kingdoms
    assert chances == pytest.approx({"kingdom": 1 / 2, "genus": 1 / 2})
    chances = rank_chances(["a", "a", "b", "c"], classes)
    # three images have 2 of 3 classes in their kingdom, one has 1 of 3
    assert chances == pytest.approx({"kingdom": (3 * 2 + 1) / 12, "genus": 1 / 3})


def test_ranks_have_means_over_seeds(run):
    chances = {"seen": {"genus": 0.2}, "unseen": {"genus": 0.3}}
    _, unseen = rows_of(ranks_table([run], chances, "taxon_com", scale="own"))
    assert unseen["rank"] == "genus"
    assert unseen["accuracy"].value == pytest.approx(0.45)
    assert unseen["before_training"].value == pytest.approx(0.3)
    assert (unseen["chance"], unseen["n"], unseen["seeds"]) == (
        Number(0.3),
        Number(10, 0),
        Number(2, 0),
    )


def test_seeds_without_the_rank_are_refused(run, tmp_path):
    other = write_cell(tmp_path / "other.json", com_unseen=0.3)
    wrong = RunCells("small", (*run.trained, other), ())
    chances = {"seen": {"genus": 0.2}, "unseen": {"genus": 0.3}}
    with pytest.raises(InputError, match=r"other\.json: has no accuracy at the rank genus"):
        ranks_table([wrong], chances, "taxon_com", scale="own")


def arm(path, label, text_type, hits):
    """Two images of each of twelve classes, of which the first ``hits`` classes are right."""
    classes = "abcdefghijkl"
    pairs = [(c, c if i < hits else classes[i - 1]) for i, c in enumerate(classes) for _ in "12"]
    group = predictions_of(pairs, classes)
    write_group_predictions(path, {(text_type, "unseen"): group})
    return Arm(label, text_type, (path,))


def effect_of(tmp_path, first_hits, second_hits):
    first = arm(tmp_path / "first.parquet", "mixed", "taxon_com", first_hits)
    second = arm(tmp_path / "second.parquet", "com", "com", second_hits)
    return effect_table([(first, second)], resamples=500, confidence=0.95, seed=0, scale="own")


def test_the_effect_is_the_difference_of_the_accuracies_with_a_verdict(tmp_path):
    table = effect_of(tmp_path, 12, 3)
    (row,) = rows_of(table)
    assert row["comparison"] == "all of them, mixed vs. common"
    assert (row["first"].value, row["second"].value) == (1.0, 0.25)
    assert row["difference"].value == pytest.approx(0.75)
    assert row["difference"].low > 0 and row["verdict"] == "better (one seed)"
    assert row["difference"].sources == (
        (tmp_path / "first.parquet").as_posix(),
        (tmp_path / "second.parquet").as_posix(),
    )
    assert (row["n"], row["classes"], row["seeds"]) == (Number(24, 0), Number(12, 0), "1 and 1")
    assert "the mixture with taxonomic + common names" in to_markdown(table)
    (line,) = csv.DictReader(to_csv(table).splitlines())
    assert float(line["difference_low"]) == pytest.approx(row["difference"].low, rel=1e-5)


def test_equal_arms_show_no_difference(tmp_path):
    (row,) = rows_of(effect_of(tmp_path, 5, 5))
    assert row["difference"].value == 0 and row["verdict"] == "no difference shown (one seed)"


def dots(axes, number):
    """Places of the dots of one series, from its error bars."""
    line = axes.containers[number].lines[0]
    return list(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))


def test_the_figure_has_a_panel_for_seen_and_one_for_unseen_species(run):
    figure = accuracy_figure(
        text_types_table([run], ["taxon_com"], scale="own"), "text_type", "top1"
    )
    seen, unseen = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "seen species",
        "unseen species",
    ]
    assert [label.get_text() for label in seen.get_yticklabels()] == ["taxonomic + common"]
    assert dots(unseen, 0) == [(0.2, -0.2)], "before training, above the line"
    assert dots(unseen, 1) == [(pytest.approx(0.35), 0.0)]


def test_the_figure_of_the_effect_has_the_intervals(tmp_path):
    table = effect_of(tmp_path, 12, 3)
    (axes,) = effect_figure(table).axes
    assert dots(axes, 0) == [(pytest.approx(0.75), 0.0)]
    (bar,) = axes.containers[0].lines[2]
    ends = bar.get_segments()[0][:, 0]
    (row,) = rows_of(table)
    assert isinstance(row["difference"], Measured)
    assert ends.tolist() == pytest.approx([row["difference"].low, row["difference"].high])
