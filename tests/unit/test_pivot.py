"""From cells and a table's file to a table."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats
from test_table_spec import registry

from nicheclip.evaluation.predictions import write_predictions
from nicheclip.plan.cells import Cell
from nicheclip.reporting.comparisons import exchange_test, holm
from nicheclip.reporting.over_seeds import SeedMeasure, mean_of_entries
from nicheclip.reporting.published import read_published
from nicheclip.reporting.table import Missing, Number, rows_by_key
from nicheclip.reporting.table_files import to_csv, to_latex, to_markdown
from nicheclip.reporting.table_html import to_html
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject
from small_evaluation import predictions_of
from small_tables import config, made, measure, tables, write_cell

CONFIG = """
scale: paper
datasets:
  ants: &images {source: {kind: folder, path: images}}
  bees: {<<: *images}
models: {small: {architecture: nicheclip-small}}
training:
  plain: &run
    dataset: ants
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
    seeds: [0, 1]
  better: {<<: *run}
  best: {<<: *run}
evaluation:
  names: {dataset: [ants, bees], runs: [plain, better, best], baseline: false}
papers:
  fungalzsl:
    rows: {Plain: plain, Better: better, Best: best}
    evaluation: names
    caption_sources: [names]
    figures_from: plain
"""

TABLE = """
title: Accuracy by data set
label: Accuracy
caption: About it.
rows: [{axis: run, of: $rows}]
entry: {evaluation: $evaluation, protocol: zero_shot, measure: top1}
columns:
  - {key: method, label: Method, text: "{run}"}
  - {each: dataset, label: "on {}", interval: true}
  - {key: average, label: Average, mean_of: [dataset], interval: true}
"""

VALUES = {  # of seeds 0 and 1 on ants, then on bees
    "plain": ((0.50, 0.60), (0.30, 0.40)),
    "better": ((0.70, 0.70), (0.50, 0.60)),
    "best": ((0.70, 0.70), (0.70, 0.90)),
}


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(more="", values=VALUES, published=""):
    """The table of ``values``, with more keys in its file."""
    for run, datasets in values.items():
        for dataset, seeds in zip(("ants", "bees"), datasets, strict=True):
            for seed, value in enumerate(seeds):
                subject = f"trained/{run}/seed{seed}"
                write_cell(subject, "names", "zero_shot", measure("top1", value), dataset=dataset)
    spec = yaml.safe_load(TABLE + more)
    folder = registry(Path(tempfile.mkdtemp(dir=".")).absolute(), spec, paper="fungalzsl")
    if published:
        (folder / "published").unlink()
        (folder / "published").mkdir()
        (folder / "published/paper.csv").write_text(published)
    return made(tables(yaml.safe_load(CONFIG), folder), "fungalzsl_own")


def test_a_column_for_each_data_set_and_their_mean_over_seeds():
    found = table()
    assert [c.key for c in found.columns] == ["method", "ants", "bees", "average"]
    assert [c.label for c in found.columns] == ["Method", "on ants", "on bees", "Average"]
    plain = rows_by_key(found)[0]
    assert plain["ants"].value == pytest.approx(0.55)
    # seed 0: (.5 + .3) / 2 = .4, seed 1: (.6 + .4) / 2 = .5
    average = plain["average"]
    assert average.value == pytest.approx(0.45)
    assert average.spread == pytest.approx(0.1 / 2**0.5)
    expected = stats.t.interval(0.95, 1, loc=0.45, scale=0.1 / 2)
    assert (average.low, average.high) == pytest.approx((max(0, expected[0]), min(1, expected[1])))
    assert len(average.sources) == 4
    header = to_csv(found).splitlines()[0]
    assert header.endswith("average,average_spread,average_low,average_high,scale")


def test_a_mean_of_unequal_numbers_of_seeds_has_no_spread():
    def seeds(*values):
        return [SeedMeasure("f", v, 9, 3, None, None, None, None, None, None, 9, 3) for v in values]

    mean = mean_of_entries([seeds(0.2, 0.4), seeds(0.9)])
    assert mean.value == pytest.approx(0.6) and mean.spread is None


def test_the_best_and_the_second_are_marked_and_equals_share_a_mark():
    found = table("mark: {best: bold, second: underline, columns: [dataset]}\n")
    plain, better, best = rows_by_key(found)
    marks = [row["ants"].emphasis for row in (plain, better, best)]
    assert marks == ["underline", "bold", "bold"]
    assert [row["bees"].emphasis for row in (plain, better, best)] == [None, "underline", "bold"]
    assert best["average"].emphasis is None
    assert "**0.800 " in to_markdown(found) and "<u>0.550 " in to_markdown(found)
    assert r"\textbf{0.800 " in to_latex(found) and r"\underline{0.550 " in to_latex(found)
    assert "<b>0.800\xa0" in to_html(found) and "*" not in to_csv(found)


def write_answers(run, right):
    """The first ``right`` of twenty images on ants, of each seed."""
    classes = "abcd"
    labels = [classes[i % 4] for i in range(20)]
    pairs = [(c, c if i < right else "abcd"["abcd".index(c) - 1]) for i, c in enumerate(labels)]
    for seed in (0, 1):
        subject = Subject(kind="trained", name=run, variant=f"seed{seed}")
        cell = Cell(subject, "names", "ants", "test", "zero_shot")
        write_predictions(cell.predictions, predictions_of(pairs, classes))


def test_each_row_is_compared_with_one_and_corrected_by_holm():
    for run, right in (("plain", 5), ("better", 12), ("best", 20)):
        write_answers(run, right)
    more = """
  - {key: p, label: p, show: p}
compare: {row: {method: Best}, correct: CORRECT, resamples: 2000}
"""
    raw = rows_by_key(table(more.replace("CORRECT", "none")))
    (plain, better, best) = [row["p"] for row in raw]
    # the 8 images on which they differ all speak for the second: 2 of 2^8 exchanges are as extreme
    assert better.value == pytest.approx(2 / 256, abs=0.006)
    assert plain.value < better.value and best is None
    holm_table = table(more.replace("CORRECT", "holm"))
    corrected = [row["p"] for row in rows_by_key(holm_table)[:2]]
    assert corrected[0].value == pytest.approx(2 * plain.value)
    assert corrected[1] == Number(max(better.value, 2 * plain.value), 4)
    assert holm_table.rows[2][-1] == Missing("not defined"), "it is compared with itself"
    assert holm_table.notes == (
        "p: of a permutation test over images against Best, corrected for 2 comparisons by Holm's "
        "method.",
    )


def test_a_mean_of_columns_is_compared():
    for run, right in (("plain", 5), ("better", 12), ("best", 20)):
        write_answers(run, right)
        for seed in (0, 1):
            subject = Subject(kind="trained", name=run, variant=f"seed{seed}")
            pairs = [("a", "a"), ("b", "b" if run == "best" else "a")]
            cell = Cell(subject, "names", "bees", "test", "zero_shot")
            write_predictions(cell.predictions, predictions_of(pairs, "ab"))
    more = """
  - {key: p, label: p, show: p, mean_of: [dataset]}
compare: {row: {method: Best}, resamples: 2000}
"""
    found = table(more)
    (plain, better, best) = [row["p"] for row in rows_by_key(found)]
    assert plain.value < better.value < 0.05 and best is None
    assert found.notes == (
        "p: of a permutation test of the mean of 2 columns over images against Best, corrected for "
        "2 comparisons by Holm's method.",
    )


def test_holm_by_hand():
    # sorted: .01 * 4, .02 * 3, .03 * 2 -> not below .06, .9 * 1
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize("over", ["images", "classes"])
def test_the_exchange_test_agrees_with_all_exchanges(over):
    rng = np.random.default_rng(3)
    labels = ["abc"[i % 3] for i in range(9)]
    arms = [
        [predictions_of([(c, str(rng.choice(list("abc")))) for c in labels]) for _ in range(2)]
        for _ in range(2)
    ]
    credits = [np.mean([one.correct() for one in arm], axis=0) for arm in arms]
    differences = credits[0] - credits[1]
    if over == "classes":
        differences = np.array([differences[i::3].sum() for i in range(3)])
    observed = abs(differences.sum())
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    exact = (np.abs(signs @ differences) >= observed - 1e-9).mean()
    assert 0 < exact < 1 or over == "classes"
    p = exchange_test([tuple(arms)], over=over, resamples=20_000, seed=0)
    assert p == pytest.approx(exact, abs=0.02)


def answers(*right):
    """One run's, for images of the class a."""
    return [predictions_of([("a", "a" if one else "b") for one in right], "ab")]


def test_the_mean_of_tasks_is_compared_with_each_task_counting_as_much():
    """Of two images and of four, with the same ids: an image of both is exchanged in both.

    The first task differs in image 0, by 1/2; the second in image 1, by 1/4. Of the four exchanges
    of these two images, two have a sum that is as far from 0 as 3/4.
    """
    tasks = [(answers(1, 1), answers(0, 1)), (answers(0, 1, 1, 0), answers(0, 0, 1, 0))]
    p = exchange_test(tasks, over="images", resamples=20_000, seed=0)
    assert p == pytest.approx(1 / 2, abs=0.02)
    assert exchange_test(tasks[:1], over="images", resamples=100, seed=0) == 1, "1/2 or -1/2"


def test_runs_that_judged_different_images_are_not_compared():
    arms = [predictions_of([("a", "a")]), predictions_of([("b", "b")])]
    with pytest.raises(InputError, match="did not judge the same images with the same labels"):
        exchange_test([(arms[:1], arms[1:])], over="images", resamples=100, seed=0)


def test_a_run_without_the_measure_is_an_error_unless_its_row_may_be_left_out():
    values = {run: VALUES[run] for run in ("plain", "better")}
    with pytest.raises(InputError, match=r"trained/best/seed0/names/zero_shot.*has no top1"):
        table(values=values)
    found = table("unmeasured: leave_out\n", values=values)
    assert [row[0] for row in found.rows] == ["Plain", "Better"]


def test_a_seed_without_the_measure_is_an_error():
    values = VALUES | {"best": ((0.7,), (0.7, 0.9))}
    with pytest.raises(InputError, match=r"best/seed1.*has no top1 .*; other seeds have it"):
        table("unmeasured: leave_out\n", values=values)


def test_published_numbers_by_column_beside_ours():
    more = """
  - {key: paper, label: Paper, show: published}
  - {key: difference, label: Difference, show: difference}
published: {csv: paper.csv, row: {method: "{name}"}, value: a}
"""
    found = table(more, published="name,a,source\nTheirs,0.9,p. 3\nBest,0.65,p. 3\nPlain,,p. 3\n")
    rows = {row["method"]: row for row in rows_by_key(found)}
    assert list(rows) == ["Theirs", "Best", "Plain", "Better"], "the paper's order, then ours"
    assert rows["Theirs"]["paper"] == Number(0.9) and rows["Theirs"]["ants"] is None
    assert rows["Best"]["difference"].value == pytest.approx(0.7 - 0.65)
    assert rows["Plain"]["paper"] is None and rows["Plain"]["difference"] is None
    theirs, best, plain, better = found.rows
    not_run = Missing("not run")
    assert theirs[1:] == (not_run, not_run, not_run, Number(0.9), not_run)
    assert plain[-2:] == better[-2:] == (Missing("not published"), Missing("not published"))
    assert not any(isinstance(cell, Missing) for cell in best)
    assert found.notes == (
        "Published: p. 3.",
        "Not measured, since the config has no run for it: Theirs.",
    )


def test_published_counts_have_no_decimals_and_columns_may_be_of_the_paper_s_scale_alone():
    more = """
  - {key: paper, label: Paper, show: published, digits: 0}
  - {key: only, label: Only, show: published, published: b, scale: paper}
  - {each: dataset, key: "{}_paper", label: "{}, paper", show: published, published: "{dataset}"}
published: {csv: paper.csv, row: {method: "{name}"}, value: a}
mark: {columns: [dataset]}
"""
    text = "name,a,b,ants,bees,source\nPlain,4403,2,0.1,0.2,p. 3\n"
    found = table(more, published=text)
    plain = rows_by_key(found)[0]
    assert plain["paper"] == Number(4403, 0)
    assert (plain["ants_paper"], plain["bees_paper"]) == (Number(0.1), Number(0.2))
    # the mean is of what was measured
    assert plain["average"].value == pytest.approx(0.45)
    scale = yaml.safe_load(CONFIG)["scale"]
    assert ("only" in plain) == (scale == "paper")


def test_percent_is_of_measured_values_alone():
    more = """
  - {key: paper, label: Paper, show: published}
  - {key: difference, label: Difference, show: difference}
published: {csv: paper.csv, row: {method: "{name}"}, value: a}
percent: true
"""
    found = table(more, published="name,a,source\nPlain,54.0,p. 3\n")
    plain = rows_by_key(found)[0]
    assert plain["ants"].value == pytest.approx(55) and plain["paper"] == Number(54.0, 1)
    assert plain["ants"].spread == pytest.approx(100 * 0.1 / 2**0.5)
    assert plain["difference"].value == pytest.approx(1.0) and plain["difference"].low is None
    assert "55.0 ± 7.1 [" in to_markdown(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,shots,accuracy,source\nCLIP,0,high,x\n", r"t\.csv, line 2: accuracy is 'high'"),
        ("model,shots,accuracy\nCLIP,0,0.3\n", r"t\.csv: no column 'source'; expected accuracy, s"),
        ("shots,accuracy,source\n0,0.3,x\n", r"t\.csv: no column 'model', which the table names"),
        (
            "model,shots,accuracy,source\nCLIP\n",
            r"t\.csv, line 2: not as many fields",
        ),
    ],
)
def test_a_broken_file_of_published_numbers_is_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_published(tmp_path / "t.csv", {"model": "{model}"}, ["accuracy"])


def test_a_test_adds_a_table_by_writing_one_file(tmp_path):
    """No line of code: a new table of BioCLIP's cells, from its YAML alone."""
    spec = yaml.safe_load("""
        title: "BioCLIP: mean of the classes' accuracies"
        label: Macro accuracy
        caption: Mean of the classes' accuracies on unseen species.
        rows: [{axis: run, of: $ablation, labels: text_types}]
        entry: {evaluation: $evaluation, protocol: text_types, measure: macro, group: unseen}
        columns:
          - {key: trained_on, label: Trained on, text: "{run}"}
          - {each: text_type, label: "{}"}
    """)
    for run, value in (("arbor-com", 0.25), ("arbor-tiny", 0.75)):
        facets = [{"text_type": t, "group": "unseen"} for t in ("com", "taxon_com")]
        measures = [measure("macro", value, reach=None, **one) for one in facets]
        write_cell(f"trained/{run}/seed0", "arbor", "text_types", *measures, dataset="arbor")
    found = made(tables(config("arbor"), registry(tmp_path / "r", spec)), "bioclip_own")
    assert to_csv(found).splitlines() == [
        "trained_on,com,taxon_com,scale",
        "common,0.25,0.25,demo",
        '"all of them, mixed",0.75,0.75,demo',
    ]
