"""Lines of results, ours and those of others, and the ranks that a page makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headless_browser import PHONE, Browser, needs_chromium
from nicheclip.cli.main import app
from nicheclip.config.leaderboard import read_leaderboard, read_others
from nicheclip.config.workflow import parse_config
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.rank_intervals import rank_intervals
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.reporting.leaderboard import boards, lines_of
from nicheclip.reporting.leaderboard_page import board_table, leaderboard_page, leaderboard_text
from nicheclip.reporting.table import rows_by_key
from nicheclip.reporting.table_files import to_latex, to_markdown
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, config, measure, write_cell

#: of each model on the data sets a and b
SCORES = {"good": (0.9, 0.6), "near": (0.85, 0.62), "poor": (0.3, 0.1)}


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def our_lines():
    paths = [
        write_cell(f"trained/{name}/seed0", "e", "zero_shot", measure("top1", value), dataset=one)
        for name, values in SCORES.items()
        for one, value in zip("ab", values, strict=True)
    ]
    return lines_of(read_cells(paths))


def line(**changes):
    """A line of somebody else, as a file has it."""
    score = {"name": "top1", "value": 0.95, "n": 40}
    given = {
        "version": 1, "by": "Ito", "model": "theirs", "kind": "other", "evaluation": "e",
        "dataset": "a", "split": "test", "protocol": "zero_shot", "n": 40, "classes": 4,
        "scores": [score | changes.pop("score", {})], "source": "doi:10/1",
    }  # fmt: skip
    return json.dumps({k: v for k, v in (given | changes).items() if v is not None})


def write(*lines, name="others.jsonl"):
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def rows(lines):
    (board,) = boards(lines).boards
    table = board_table(board)
    labels = [column.label for column in table.columns]
    return {row["model"]: row for row in rows_by_key(table)}, labels


def test_ranks_by_hand_with_their_intervals_and_ties():
    """Intervals reach 0.1 to both sides: good and near are not told apart, poor is from both."""
    found, labels = rows(our_lines())
    assert labels == ["Model", "State", "Mean rank", "a", "b"]
    assert list(found) == ["good", "near", "poor"]
    ranks = {
        name: (row["rank"].value, row["rank"].low, row["rank"].high) for name, row in found.items()
    }
    assert ranks == {"good": (1.5, 1, 2), "near": (1.5, 1, 2), "poor": (3, 3, 3)}
    marks = {name: (row["task_0"].emphasis, row["task_1"].emphasis) for name, row in found.items()}
    assert marks == {
        "good": ("bold", "underline"), "near": ("underline", "bold"), "poor": (None, None),
    }  # fmt: skip


def test_others_are_ranked_on_the_tasks_that_they_judged():
    others = read_others([write(line(score={"value": 0.98, "low": 0.96, "high": 0.99}))])
    found, labels = rows(our_lines() + others)
    assert labels[2] == "Measured by"
    theirs = found["theirs"]
    assert (theirs["by"], theirs["state"], found["good"]["by"]) == ("Ito", "other", "this run")
    assert theirs["task_0"].emphasis == "bold" and theirs["task_1"] is None
    assert theirs["rank"] is None, "not judged on b"
    assert list(found)[-1] == "theirs"
    # on a it is surely better than near (at most 0.95), whose ranks move down there
    assert (found["near"]["rank"].value, found["near"]["rank"].low) == ((3 + 1) / 2, (2 + 1) / 2)


def test_who_judged_other_images_is_listed_and_not_ranked():
    others = read_others([write(line(n=41), line(classes=5, model="more"))])
    found = boards(our_lines() + others)
    assert [model.name for model in found.boards[0].models] == list(SCORES)
    assert found.left_out[0] == (
        "theirs, Ito: judged by zero_shot on 41 images of 4 classes of a, where the others have 40 "
        "of 4"
    )
    assert "<li>more, Ito: judged" in leaderboard_page(our_lines() + others)


def test_the_page_is_made_from_its_lines_alone():
    lines = our_lines()
    write(*(one.model_dump_json(exclude_none=True) for one in lines), name="l.jsonl")
    assert read_leaderboard("l.jsonl") == lines
    done = CliRunner().invoke(app, ["leaderboard", "l.jsonl", "--html", "p.html"])
    assert done.output == "p.html: 6 cells\n"
    assert Path("p.html").read_text() == leaderboard_page(lines)
    schema = json.loads(CliRunner().invoke(app, ["leaderboard", "--schema"]).output)
    assert schema["required"][0] == "version" and "scores" in schema["properties"]


def test_the_boards_are_also_markdown_and_latex():
    found = boards(our_lines()).boards
    markdown = leaderboard_text(our_lines(), to_markdown)
    assert markdown.count(" Mean rank |") == markdown.count("Bold: the highest") == len(found)
    assert all(f"| {model.name} " in markdown for model in found[0].models)
    latex = leaderboard_text(our_lines(), to_latex)
    assert latex.count(r"\toprule") == latex.count(r"\end{table}") == len(found)
    assert r"\textbf{" in latex and r"\underline{" in latex


def test_seeds_of_a_model_and_the_tasks_of_a_method_stand_together():
    values = {
        "fair/field": (0.4, 0.6),
        "fair/lab": (0.7, 0.7),
        "clip/field": (0.3,),
        "clip/lab": (0.3,),
    }
    paths = [
        write_cell(
            f"adapted/{name}/seed{seed}",
            name.split("/")[1],
            "zero_shot",
            measure("top1", value),
            dataset="a",
        )
        for name, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    found, labels = rows(lines_of(read_cells(paths)))
    assert labels[-2:] == ["field", "lab"] and set(found) == {"fair", "clip"}
    assert found["fair"]["task_0"].value == pytest.approx(0.5)
    assert found["fair"]["task_0"].spread == pytest.approx(0.1 * 2**0.5)


def test_a_cell_has_the_measures_of_tables_and_no_single_classes():
    shots = [measure("top1", 0.4, n=5, reach=None, shots=1), measure("macro", 0.1)]
    path = write_cell("start/vit/seed0", "e", "few_shot", *shots, dataset="a")
    (found,) = lines_of(read_cells([path]))
    assert [(one.name, one.facets) for one in found.scores] == [("top1", {"shots": "1"})]
    assert (found.n, found.classes, found.source) == (40, 4, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: a list; expected an object"),
        ("[" * 100_000, "line 1: not JSON"),
        (line(version=2), "line 1, field version: 2; this program reads 1"),
        (line(version=None), "line 1, field version: is missing"),
        (line(modle="x"), "line 1, field modle: unknown; did you mean 'model'"),
        (line(model=None, modle="x"), "line 1, field modle: unknown; did you mean 'model'"),
        (line(dataset=None), "line 1, field dataset: is missing"),
        (line(n="many"), r"line 1, field n: .*integer.*given: 'many'"),
        (line(score={"value": 95.0}), r"field scores.0: top1 is 95; expected a share between"),
        (line(score={"value": float("nan")}), r"field scores.0.value: .*finite"),
        (line(score={"low": 0.2}), "an interval has low and high"),
        (line(score={"low": 0.9, "high": 0.2}), "low 0.9 is above high 0.2"),
        (line(scores=[]), "field scores: .*at least 1"),
        (line(by=""), "by is empty; say who measured it"),
        (line() + "\n\n" + line(), r"line 3: the same cell as line 1 \(other/theirs/default by"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_field(text, message):
    with pytest.raises(InputError, match=rf"others\.jsonl.*{message}"):
        read_others([write(text)])


def test_a_cell_of_two_files_is_an_error():
    files = [write(line(), name=name) for name in ("one.jsonl", "two.jsonl")]
    with pytest.raises(InputError, match=r"two\.jsonl: other/theirs .* is in one\.jsonl as well"):
        read_others(files)


def test_the_command_takes_no_cell_twice_and_makes_no_empty_page():
    write(line())
    Path("empty.jsonl").write_text("\n")
    for files, message in (
        (["others.jsonl", "others.jsonl"], "is in others.jsonl as well"),
        (["empty.jsonl"], "empty.jsonl: no lines"),
    ):
        result = CliRunner().invoke(app, ["leaderboard", *files, "--html", "page.html"])
        assert isinstance(result.exception, InputError) and message in str(result.exception)
        assert not Path("page.html").exists()


def test_a_dry_run_reads_the_lines_of_others():
    values = config("tiny") | {"leaderboard": {"others": ["others.jsonl"]}}
    write(line(n=0))
    with pytest.raises(InputError, match=r"leaderboard\.others: others\.jsonl, line 1, field n: "):
        check_files(Plan(parse_config(values), REGISTRY))


def test_names_of_others_are_texts():
    page = leaderboard_page(our_lines() + read_others([write(line(model="<script>x</script>"))]))
    assert "&lt;script&gt;x" in page and page.count("<script") == 1


@needs_chromium
def test_the_page_fits_on_a_telephone(tmp_path):
    (tmp_path / "p.html").write_text(leaderboard_page(our_lines()))
    with Browser(tmp_path / "profile") as browser:
        look = browser.look_at(tmp_path / "p.html")
    assert (look.errors, look.wide, look.width) == ([], [], PHONE[0])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_rank_intervals_are_what_counting_gives(models):
    values = np.array([value for value, _, _ in models], dtype=float)
    low, high = values - [m[1] for m in models], values + [m[2] for m in models]
    found = rank_intervals(values, low, high)
    for i in range(len(models)):
        assert found.best[i] == 1 + sum(low[j] > high[i] for j in range(len(models)))
        assert found.worst[i] == len(models) - sum(high[j] < low[i] for j in range(len(models)))
        assert found.best[i] <= found.rank[i] <= found.worst[i]
    assert found.rank.sum() == pytest.approx(len(models) * (len(models) + 1) / 2)
    assert found.may_be_first.any()


def test_a_model_that_was_not_judged_has_no_rank_and_takes_no_place():
    values = np.array([0.5, np.nan, 0.7])
    found = rank_intervals(values, values, values)
    assert found.rank.tolist()[::2] == found.worst.tolist()[::2] == [2, 1]
    assert np.isnan([found.rank[1], found.best[1], found.worst[1]]).all()
    with pytest.raises(ValueError, match="does not hold its value"):
        rank_intervals(np.array([0.5]), np.array([0.6]), np.array([0.7]))
