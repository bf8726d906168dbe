"""From a cell of a table back to its predictions, model, config, code and data."""

import html
import re

import pytest
import yaml

from nicheclip.reporting.passport import passport, source_facts
from nicheclip.reporting.passport_section import PassportSection
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_json, write_text
from small_evaluation import cell_file
from small_results import small_results

METRICS = "results/evaluate/squares/test/trained/run/seed0/task/zero_shot/metrics.json"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passport")
    model = small_results(folder)
    report = {"code": ["c0de"], "epochs": 3, "config": {"dataset": "squares"}, "seed": 0}
    write_json(model / "train.json", report)
    write_text(folder / METRICS, cell_file(folder, "zero_shot", "metrics.json").read_text())
    write_json(
        folder / "results/config.json",
        {"seed": 7, "training": {"run": {"epochs": 3}}, "datasets": {"squares": {"a": 1}}},
    )
    manifest = {"outputs": {"catalog.parquet": "d1ge57"}, "code": "acq", "seconds": 1}
    write_json(folder / "results/acquire/squares/manifest.json", manifest)
    made = {"code": "enc", "python": "3.11", "packages": {"torch": "2"}}
    write_json(folder / "results/features/squares/test/trained/run/manifest.json", made)
    base = folder / "results/tables/t"
    write_text(
        base.with_suffix(".csv"),
        "method,state,acc,acc_low,acc_high,published\nOurs,trained,33.3,20,50,40\nChance,,25,,,\n",
    )
    write_text(base.with_suffix(".sources.csv"), f"row,column,metrics\nOurs,acc,{METRICS}\n")
    write_text(base.with_suffix(".md"), "| Method |\n\nPublished: Them (arXiv 1), Table 1.\n")
    return base.with_suffix(".csv")


def test_all_that_a_cell_follows_from(table):
    found = passport(table, " ours", "acc")
    assert found.rows == [
        {"method": "Ours", "state": "trained", "acc": "33.3", "acc_low": "20", "acc_high": "50"}
    ]
    assert found.published == "Published: Them (arXiv 1), Table 1."
    (source,) = found.sources
    assert source["measured"]["predictions"] == METRICS.replace(
        "metrics.json", "predictions.parquet"
    )
    assert (source["measured"]["images"], source["measured"]["classes"]) == (9, 3)
    assert "cpu" in source["measured"]["hardware"]
    subject = source["subject"]
    assert (subject["name"], subject["seed"], subject["code"]) == ("trained/run/seed0", 0, ["c0de"])
    assert source["encoding"] == {"code": "enc", "python": "3.11", "packages": {"torch": "2"}}
    assert source["data"]["digests"] == {"catalog.parquet": "d1ge57"}
    assert source["config"] == {
        "seed": 7, "training.run": {"epochs": 3}, "datasets.squares": {"a": 1},
    }  # fmt: skip


def test_rows_of_one_name_are_told_apart_by_their_other_texts(table):
    other = table.with_name("u.csv")
    write_text(other, "measure,model,value\ntop1,run,33\ntop1,start,20\n")
    write_text(other.with_suffix(".sources.csv"), f"row,column,metrics\ntop1,value,{METRICS}\n")
    assert len(passport(other, "top1", "value").rows) == 2
    found = passport(other, "top1 / run", "value")
    assert [one["model"] for one in found.rows] == ["run"] and len(found.sources) == 1
    with pytest.raises(InputError, match="the column measure has top1"):
        passport(other, "top1 / nobody", "value")


def test_a_cell_that_was_not_measured(table):
    assert passport(table, "Chance", "acc").sources == []
    assert passport(table, "Ours", "published").sources == []


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [("Theirs", "acc", "the column method has Ours, Chance"), ("Ours", "x", "there are method, ")],
)
def test_unknown_cells_are_answered_with_those_that_are(table, row, column, message):
    with pytest.raises(InputError, match=message):
        passport(table, row, column)


def test_files_that_are_no_tables(table, tmp_path):
    with pytest.raises(InputError, match=r"expected results/tables/NAME\.csv"):
        passport(table.with_suffix(".md"), "Ours", "acc")
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not below a folder results"):
        passport(tmp_path / "mine.csv", "1", "b")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="expected a table that the workflow wrote"):
        passport(tmp_path / "empty.csv", "1", "b")


def test_a_number_from_predictions_or_from_a_trainings_report(table, tmp_path):
    root = table.parents[2]
    beside = source_facts(root, METRICS.replace("metrics.json", "predictions.parquet"))
    assert beside == source_facts(root, METRICS)
    report = "results/models/adapted/fair/pests/seed3/train.json"
    write_json(tmp_path / report, {"seconds": 2.5, "device": "cpu", "epochs": 4, "steps": 9})
    write_json(
        tmp_path / "results/config.json",
        {"seed": 7, "adaptation": {"fair": {"seeds": [3]}}, "tasks": {"pests": {"fit": "train"}}},
    )
    assert source_facts(tmp_path, report) == {
        "measured": {"training": report, "seconds": 2.5},
        "subject": {
            "name": "adapted/fair/pests/seed3",
            "seed": 3,
            "folder": "results/models/adapted/fair/pests/seed3",
            "device": "cpu",
            "epochs": 4,
            "steps": 9,
        },
        "config": {"seed": 7, "adaptation.fair": {"seeds": [3]}, "tasks.pests": {"fit": "train"}},
    }


def test_numbers_of_a_page_lead_to_their_passports(table):
    root = table.parents[2]
    report = "results/models/trained/run/seed0/train.json"
    several = html.escape(f"{METRICS}\n{report}")
    page = PassportSection(root)
    linked = page.linked(
        f'<td>text</td><td title="{METRICS}" data-value="0.5"><b>0.5</b></td>'
        f'<td title="{several}" data-value="0.4">0.4</td>'
        f'<td title="{METRICS}" data-value="0.5">0.5 &lt; 1</td>'
    )
    link = re.compile(
        r'<td title="[^"]*" data-value="[^"]*"><a class="from" href="#(\S+)">(.*?)</a></td>'
    )
    assert link.findall(linked) == [
        ("passport-0", "<b>0.5</b>"),
        ("passports-0", "0.4"),
        ("passport-0", "0.5 &lt; 1"),
    ]
    assert linked.startswith("<td>text</td>")
    section = page.html()
    assert set(re.findall(r'id="(passport\S+)"', section)) == {
        "passports", "passports-0", "passport-0", "passport-1",
    }  # fmt: skip
    first = re.search(r'<pre id="passport-0">(.*?)</pre>', section, re.DOTALL)[1]
    assert yaml.safe_load(html.unescape(first)) == source_facts(root, METRICS)
    both = re.search(r'<p id="passports-0">(.*?)</p>', section)[1]
    assert re.findall(r'href="#(\S+)"', both) == ["passport-0", "passport-1"]
    assert PassportSection(root).html() == ""
