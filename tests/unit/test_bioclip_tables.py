import csv

import pytest

from nicheclip.evaluation.predictions import write_group_predictions
from nicheclip.plan.cells import Cell
from nicheclip.reporting.figure_kinds.dots import table_dots
from nicheclip.reporting.published import read_published
from nicheclip.reporting.row_code.rank_chance import rank_chances
from nicheclip.reporting.table import Measured, Number, rows_by_key
from nicheclip.reporting.table_files import to_csv, to_markdown
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject
from small_evaluation import predictions_of, write_classes
from small_tables import REGISTRY, config, made, measure, tables, write_cell

SIZES = {"seen": 8, "unseen": 4}
START, SEEDS = "start/tiny/seed0", ("trained/arbor-tiny/seed0", "trained/arbor-tiny/seed1")


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def text_types(subject, evaluation="arbor", **values):
    """``taxon_com_unseen=0.5``: top-1 accuracy by that text type in that group."""
    measures = []
    for name, value in values.items():
        text_type, group = name.rsplit("_", 1)
        facets = {"text_type": text_type, "group": group}
        size = {"classes": SIZES[group], "n": 10 * SIZES[group]}
        measures.append(measure("top1", value, **size, **facets))
        if size["classes"] > 5:
            measures.append(measure("top5", 0.8, **size, **facets))
        more = {"n": 10, "classes": SIZES[group], "reach": None, "rank": "genus"}
        measures.append(measure("rank_accuracy", value + 0.1, **more, **facets))
    return write_cell(subject, evaluation, "text_types", *measures, dataset="arbor", n=120)


def two_seeds(**changes):
    values = config("arbor", **changes)
    values["training"]["arbor-tiny"]["seeds"] = [0, 1]
    values["training"]["arbor-com"]["seeds"] = [0]
    values["models"]["tiny"]["pretrained"] = None
    return values


@pytest.fixture
def run():
    """A run of two seeds and what it started from, judged by one text type."""
    for subject, seen, unseen in ((SEEDS[0], 0.5, 0.3), (SEEDS[1], 0.6, 0.4)):
        text_types(subject, taxon_com_seen=seen, taxon_com_unseen=unseen)
    for seed in (0, 1):
        text_types(f"start/tiny/seed{seed}", taxon_com_seen=0.1, taxon_com_unseen=0.2)
    return tables(two_seeds(evaluation__arbor__text_types=["taxon_com", "com"]))


def test_text_types_have_a_row_for_each_group_with_the_same_model_before_training(run):
    table = made(run, "bioclip_text_types")
    seen, unseen = rows_by_key(table)
    assert (seen["species"], unseen["species"]) == ("seen", "unseen")
    assert unseen["text_type"] == "taxonomic + common"
    assert unseen["top1"].value == pytest.approx(0.35)
    assert unseen["top1"].spread == pytest.approx(0.005**0.5)
    assert [source.split("/")[6] for source in unseen["top1"].sources] == ["seed0", "seed1"]
    assert unseen["before_training"].value == pytest.approx(0.2)
    assert (seen["top5"].value, unseen["top5"]) == (pytest.approx(0.8), None)
    counts = [unseen[key] for key in ("chance", "n", "classes", "seeds")]
    assert counts == [Number(0.25), Number(40, 0), Number(4, 0), Number(2, 0)]
    assert "demo scale, not comparable with the paper" in to_markdown(table)


def test_the_ablation_has_a_row_for_each_training_and_a_column_for_each_test():
    texts = {"com_unseen": 0.3, "taxon_com_unseen": 0.1, "com_seen": 0.9, "taxon_com_seen": 0.9}
    path = text_types("trained/arbor-com/seed0", **texts)
    text_types(SEEDS[0], **texts | {"com_unseen": 0.4})
    com, mixed = rows_by_key(made(tables(config("arbor")), "bioclip_ablation"))
    assert (com["trained_on"], mixed["trained_on"]) == ("common", "all of them, mixed")
    assert (com["com"].value, com["taxon_com"].value, mixed["com"].value) == (0.3, 0.1, 0.4)
    # a single seed keeps the record's own interval
    assert com["com"] == Measured(0.3, (path,), low=pytest.approx(0.2), high=pytest.approx(0.4))


def published():
    path = REGISTRY / "published/bioclip_rare_species.csv"
    texts = {"model": "{model}", "shots": "{shots}"}
    return read_published(path, texts, ["accuracy"])


def test_the_registry_has_the_data_cards_numbers():
    rows = published()
    values = {(r.texts["model"], r.texts["shots"]): r.values["accuracy"] for r in rows}
    assert values["BioCLIP", "zero-shot"] == 0.3809
    assert values["BioCLIP", "1-shot"] == 0.449
    assert values["BioCLIP", "5-shot"] == 0.657
    assert len(values) == 12 and {row.source for row in rows} == {
        "Rare Species data card (revised set)"
    }


def few_shot(label="BioCLIP", source=None, scale="demo"):
    """The table of a run that is measured without and with one and five support images."""
    for subject in (SEEDS[0], START):
        text_types(subject, taxon_com_unseen=0.4)
    for subject, values in ((SEEDS[0], (0.5, 0.7)), (START, (0.26, 0.27))):
        shots = zip((1, 5), values, strict=True)
        measures = [measure("top1", value, n=5, reach=None, shots=count) for count, value in shots]
        write_cell(subject, "unseen", "few_shot", *measures, dataset="arbor")
    values = config("arbor", evaluation__unseen__shots=[1, 5], papers__bioclip__rows={})
    values["papers"]["bioclip"]["rows"] = {label: "arbor-tiny"}
    values["scale"] = scale
    if source:
        values["datasets"]["arbor"] = {"source": {"kind": "registry", "name": source}}
    return made(tables(values), "bioclip_few_shot")


def test_few_shot_is_beside_zero_shot_and_the_published_numbers_in_rows_of_their_own():
    rows = rows_by_key(few_shot())
    papers, measured = rows[:12], rows[12:]
    assert {row["dataset"] for row in papers} == {"rare_species"}
    assert {row["accuracy"] for row in papers} == {None}
    assert [row["shots"] for row in measured] == ["zero-shot", "1-shot", "5-shot"]
    assert [row["accuracy"].value for row in measured] == [0.4, 0.5, 0.7]
    assert [row["before_training"].value for row in measured] == [0.4, 0.26, 0.27]
    assert {row["published"] for row in measured} == {None}
    assert {row["chance"] for row in measured} == {Number(0.25)}
    assert {(row["n"], row["classes"]) for row in measured} == {(Number(40, 0), Number(4, 0))}


@pytest.mark.parametrize("scale", ["paper", "demo"])
def test_a_difference_to_the_published_number_is_given_at_the_papers_scale_alone(scale):
    rows = rows_by_key(few_shot(source="rare_species", scale=scale))
    assert len(rows) == 12, "the measured numbers are in the published rows"
    row = next(r for r in rows if (r["model"], r["shots"]) == ("BioCLIP", "5-shot"))
    assert row["published"] == Number(0.657)
    if scale == "demo":
        assert row["difference"] is None
    else:
        assert row["difference"].value == pytest.approx(0.7 - 0.657) and row["difference"].signed


def test_objectives_are_compared_by_their_mean_over_benchmarks():
    """(.5 + .7) / 2 and (.6 + .9) / 2 for the one that was measured, by 1 and 5 shots."""
    for evaluation, values in (("one", (0.5, 0.6)), ("two", (0.7, 0.9))):
        shots = zip((1, 5), values, strict=True)
        measures = [measure("top1", value, n=5, reach=None, shots=count) for count, value in shots]
        write_cell("trained/arbor-com/seed0", evaluation, "few_shot", *measures, dataset="arbor")
    values = config(
        "arbor",
        papers__bioclip__objectives={"contrastive": "arbor-com"},
        papers__bioclip__objectives_benchmarks=["one", "two"],
        evaluation__unseen__shots=[1, 5],
    )
    task = {"dataset": "arbor", "protocols": ["few_shot"], "baseline": False}
    values["evaluation"] |= {"one": task, "two": task}
    rows = rows_by_key(made(tables(values), "bioclip_objectives_mean"))
    assert [(row["objective"], row["shots"]) for row in rows[:2]] == [
        ("contrastive", "1-shot"),
        ("contrastive", "5-shot"),
    ]
    assert [row["average"].value for row in rows[:2]] == pytest.approx([60, 75])
    assert [row["two"].value for row in rows[:2]] == pytest.approx([70, 90])
    assert {row["published"] for row in rows} == {None}
    assert {row["average"] for row in rows[2:]} == {None} and len(rows) == 6


def test_without_benchmarks_there_is_no_table_of_their_mean():
    values = config(
        "arbor",
        papers__bioclip__objectives={"contrastive": "arbor-com"},
        evaluation__unseen__shots=[1, 5],
    )
    assert {"bioclip_objectives"} == {n for n in tables(values).by_name if "objectives" in n}


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


def write_predictions(subject, text_type, groups):
    kind, name, variant = subject.split("/")
    one = Subject(kind=kind, name=name, variant=variant)
    cell = Cell(one, "arbor", "arbor", "test", "text_types")
    write_group_predictions(cell.predictions, {(text_type, g): p for g, p in groups.items()})
    return cell.predictions


def test_ranks_have_means_over_seeds_and_the_chance_of_their_group(run, tmp_path):
    write_classes(tmp_path / "results/acquire/arbor/classes.parquet", LINEAGES)
    groups = {
        "seen": predictions_of([("a", "a"), ("c", "a")], "ac"),
        "unseen": predictions_of([("a", "a"), ("a", "a"), ("b", "a"), ("c", "c")], "abc"),
    }
    write_predictions(SEEDS[0], "taxon_com", groups)
    seen, unseen = rows_by_key(made(run, "bioclip_ranks"))
    assert unseen["rank"] == "genus"
    assert unseen["accuracy"].value == pytest.approx(0.45)
    assert unseen["accuracy"].spread == pytest.approx(0.005**0.5)
    assert unseen["before_training"].value == pytest.approx(0.3)
    assert (seen["chance"].value, unseen["chance"].value) == pytest.approx((1 / 2, 1 / 3))
    assert (unseen["n"], unseen["seeds"]) == (Number(10, 0), Number(2, 0))


def test_seeds_without_the_rank_are_refused(run):
    text_types(SEEDS[1], com_unseen=0.3)
    with pytest.raises(InputError, match=r"seed1.*has no rank_accuracy .*rank genus.*other seeds"):
        made(run, "bioclip_ranks")


def arm(subject, text_type, hits):
    """Two images of each of twelve classes, of which the first ``hits`` classes are right."""
    classes = "abcdefghijkl"
    pairs = [(c, c if i < hits else classes[i - 1]) for i, c in enumerate(classes) for _ in "12"]
    text_types(subject, **{f"{text_type}_unseen": hits / 12})
    return write_predictions(subject, text_type, {"unseen": predictions_of(pairs, classes)})


def effect_of(mixed_hits, com_hits):
    files = arm(SEEDS[0], "taxon_com", mixed_hits), arm("trained/arbor-com/seed0", "com", com_hits)
    return made(tables(config("arbor")), "bioclip_taxonomy_effect"), files


def test_the_effect_is_the_difference_of_the_accuracies_with_a_verdict():
    table, files = effect_of(12, 3)
    (row,) = rows_by_key(table)
    assert row["comparison"] == "all of them, mixed vs. common"
    assert (row["first"].value, row["second"].value) == (1.0, 0.25)
    assert row["first"].low is None, "shown without an interval"
    assert row["difference"].value == pytest.approx(0.75)
    assert row["difference"].low > 0 and row["verdict"] == "better (one seed)"
    assert row["difference"].sources == files
    assert (row["n"], row["classes"], row["seeds"]) == (Number(24, 0), Number(12, 0), "1 and 1")
    assert "the mixture with taxonomic + common names" in to_markdown(table)
    assert "the 95% bootstrap interval" in to_markdown(table)
    (line,) = csv.DictReader(to_csv(table).splitlines())
    assert float(line["difference_low"]) == pytest.approx(row["difference"].low, rel=1e-5)


def test_equal_runs_show_no_difference():
    (row,) = rows_by_key(effect_of(5, 5)[0])
    assert row["difference"].value == 0 and row["verdict"] == "no difference shown (one seed)"


def test_without_comparisons_there_is_no_table_of_them():
    assert "bioclip_taxonomy_effect" in tables(config("arbor")).by_name
    without = tables(config("arbor", papers__bioclip__comparisons=[]))
    assert "bioclip_taxonomy_effect" not in without.by_name


def dots(axes, number):
    """Places of the dots of one series, from its error bars."""
    line = axes.containers[number].lines[0]
    return list(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))


def test_the_figure_has_a_panel_for_seen_and_one_for_unseen_species(run):
    options = run.by_name["bioclip_text_types"].request.figure
    figure = table_dots(made(run, "bioclip_text_types"), options)
    seen, unseen = figure.axes
    headings = [axes.get_title(loc="left") for axes in figure.axes]
    assert headings == ["seen species", "unseen species"]
    assert [label.get_text() for label in seen.get_yticklabels()] == ["taxonomic + common"]
    assert dots(unseen, 0) == [(pytest.approx(0.2), -0.2)], "before training, above the line"
    assert dots(unseen, 1) == [(pytest.approx(0.35), 0.0)]


def test_the_figure_of_the_effect_has_the_intervals():
    table, _ = effect_of(12, 3)
    options = tables(config("arbor")).by_name["bioclip_taxonomy_effect"].request.figure
    (axes,) = table_dots(table, options).axes
    assert dots(axes, 0) == [(pytest.approx(0.75), 0.0)]
    (bar,) = axes.containers[0].lines[2]
    ends = bar.get_segments()[0][:, 0]
    (row,) = rows_by_key(table)
    assert ends.tolist() == pytest.approx([row["difference"].low, row["difference"].high])
