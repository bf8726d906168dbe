import csv
import io
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless_browser import Browser, needs_chromium
from nicheclip.reporting.table import Column, Measured, Missing, Number, Table, rows_by_key
from nicheclip.reporting.table_files import (
    sources_to_csv,
    to_csv,
    to_latex,
    to_markdown,
    write_table,
)
from nicheclip.reporting.table_html import to_html

COLUMNS = (Column("model", "CLIP"), Column("score", "Top-1 | %", interval=True), Column("n", "n"))
TABLE = Table(
    title="100% of A_1 & B",
    columns=COLUMNS,
    rows=(
        (
            "ViT_B/16 | x",
            Measured(0.9126, ("a.json", "b.json"), spread=0.004, low=0.9, high=0.92),
            Number(600, digits=0),
        ),
        ("nothing ran", None, None),
        ("zero", Measured(0.0, ("c.json",)), Number(0.0)),
    ),
    notes=("A note.",),
    constants=(("scale", "demo"),),
)


def test_markdown_by_hand():
    assert to_markdown(TABLE).splitlines() == [
        "**100% of A_1 & B**",
        "",
        r"| CLIP          |                   Top-1 \| % |     n |",
        "| ------------- | ---------------------------: | ----: |",
        r"| ViT_B/16 \| x | 0.913 ± 0.004 [0.900, 0.920] |   600 |",
        "| nothing ran   |                              |       |",
        "| zero          |                        0.000 | 0.000 |",
        "",
        "A note.",
    ]


def test_csv_has_numbers_in_full_and_empty_fields_where_nothing_ran():
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == {
        "model": "ViT_B/16 | x",
        "score": "0.9126",
        "score_spread": "0.004",
        "score_low": "0.9",
        "score_high": "0.92",
        "n": "600",
        "scale": "demo",
    }
    assert [rows[1][key] for key in ("score", "score_low", "n")] == ["", "", ""]
    assert rows[2]["score"] == "0" and rows[2]["score_low"] == ""


def test_sources_name_the_files_of_each_measured_cell():
    assert sources_to_csv(TABLE).splitlines() == [
        "row,column,metrics",
        "ViT_B/16 | x,score,a.json",
        "ViT_B/16 | x,score,b.json",
        "zero,score,c.json",
    ]


def test_differences_carry_their_sign():
    table = Table("t", COLUMNS[:2], (("m", Measured(-0.02, (), signed=True)),))
    assert "−0.020" in to_markdown(table) and "$-$0.020" in to_latex(table)
    table = Table("t", COLUMNS[:2], (("m", Measured(0.02, (), signed=True)),))
    assert "+0.020" in to_markdown(table)


def test_latex_escapes_and_guards_brackets():
    latex = to_latex(TABLE)
    assert r"\caption{100\% of A\_1 \& B}" in latex
    assert r"ViT\_B/16 \textbar{} x & 0.913 $\pm$ 0.004 {[}0.900, 0.920{]} & 600 \\" in latex
    assert r"nothing ran &  &  \\" in latex
    assert latex.count("{tabular}") == 2


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_latex_text_leaves_no_special_character_bare(text):
    row = to_latex(Table("t", COLUMNS[:1], ((text,),))).splitlines()[9]
    body = row.removeprefix("    ").removesuffix(r" \\")
    for escaped in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}"):
        body = body.replace(escaped, "")
    for escaped in (r"\textless{}", r"\textgreater{}", r"\textbar{}"):
        body = body.replace(escaped, "")
    for escaped in ("{[}", "{]}", "{*}"):
        body = body.replace(escaped, "")
    for special in "&%$#_{}":
        body = body.replace("\\" + special, "")
    assert not set(body) & set("\\&%$#_{}~^[]*")


def test_html_holds_every_cell_and_names_the_files_of_measured_ones():
    page = to_html(TABLE)
    assert '<td title="a.json&#10;b.json" data-value="0.9126">' in page.replace("\n", "&#10;")
    assert ">0.913\u00a0±\u00a00.004 [0.900,\u00a00.920]</td>" in page  # a line may end before [
    assert "<td>nothing ran</td><td></td><td></td>" in page
    assert "100% of A_1 &amp; B" in page


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_csv_gives_back_any_text(texts):
    texts = [text.replace("\r", " ").replace("\x00", "") for text in texts]
    table = Table("t", (Column("a", "A"),), tuple((text,) for text in texts))
    rows = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    read = [row[0] if row else "" for row in rows[1:]]
    assert [cell.removeprefix("'") for cell in read] == [text.removeprefix("'") for text in texts]


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+1+cmd|' /C calc'!A1", "'+1+cmd|' /C calc'!A1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1+1", "'\t=1+1"),
        ("＝1+1", "'＝1+1"),
        ("a=b", "a=b"),
        ("-0.25", "-0.25"),
        ("+1e-3", "+1e-3"),
        ("", ""),
    ],
)
def test_no_cell_of_a_csv_is_a_formula(label, shown):
    table = Table(
        "t",
        (Column("model", "Model"), Column(label, "L"), Column("gain", "Gain")),
        ((label, label, Measured(-0.02, (label,), signed=True)),),
        constants=(("evaluation", label),),
    )
    header, row = csv.reader(io.StringIO(to_csv(table)))
    assert header == ["model", shown, "gain", "evaluation"]
    assert row == [shown, shown, "-0.02", shown]
    assert list(csv.reader(io.StringIO(sources_to_csv(table))))[1] == [shown, "gain", shown]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("![x](http://x/pixel)", r"![x]\(http://x/pixel)"),
        ("a\n| b |\r\n\x01", r"a \| b \| "),
    ],
)
def test_markdown_shows_texts_as_they_are(text, shown):
    table = Table(text, (Column("a", text), *COLUMNS[1:]), ((text, None, None),), notes=(text,))
    lines = to_markdown(table).splitlines()
    assert lines[0] == f"**{shown}**" and lines[-1] == shown
    assert lines[2].startswith(f"| {shown} ") and lines[4].startswith(f"| {shown} ")
    assert len(lines) == 7


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_a_text_of_several_lines(tmp_path):
    compile_latex(Table("t\n\n2", COLUMNS[:1], (("a\n\nb\x01",),)), tmp_path)


def test_latex_texts_stay_on_their_line():
    assert to_latex(Table("t\n\n2", COLUMNS[:1], (("a\n\nb\x01",),))).count("\n\n") == 0


def test_an_underlined_number_keeps_its_own_tag():
    cell = Measured(0.5, (), emphasis="underline")
    assert "| <u>0.500</u> |" in to_markdown(Table("t", COLUMNS[:2], (("m", cell),)))


def test_files_are_the_same_bytes_each_time(tmp_path):
    first = [p.read_bytes() for p in write_table(TABLE, tmp_path / "one", "t")]
    second = [p.read_bytes() for p in write_table(TABLE, tmp_path / "two", "t")]
    assert first == second and len(first) == 5


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="2 cells for 3 columns"):
        Table("t", COLUMNS, (("m", None),))


EMPTY = Table(
    "t",
    COLUMNS,
    (
        ("b", Measured(0.5, ("b.json",)), Number(20, digits=0)),
        ("a", Missing("not run"), Missing("not published")),
        ("c 10", Measured(0.25, ("c.json",)), Missing("not published")),
        ("c 9", Measured(0.75, ("d.json",)), Number(3, digits=0)),
    ),
)


def test_a_cell_without_a_number_says_why_in_every_format():
    text = to_markdown(EMPTY)
    assert [cell.strip() for cell in text.splitlines()[5].split("|")[1:4]] == ["a", "–", "n.p."]
    note = "–: not run in this config; n.p.: no published number known."
    assert text.splitlines()[-1] == note
    assert r"a & -- & n.p. \\" in to_latex(EMPTY) and "--: not run" in to_latex(EMPTY)
    rows = list(csv.DictReader(io.StringIO(to_csv(EMPTY))))
    assert (rows[1]["score"], rows[1]["n"]) == ("", "")
    assert [row["missing"] for row in rows] == [
        "", "score: not run; n: not published", "n: not published", "",
    ]  # fmt: skip
    assert '<td><abbr title="not run in this config">–</abbr></td>' in to_html(EMPTY)
    assert [row["score"] for row in rows_by_key(EMPTY)][1] is None, "nothing to compute with"
    assert "missing" not in to_csv(TABLE).splitlines()[0]


@needs_chromium
def test_a_heading_sorts_the_page_by_mouse_and_keyboard(tmp_path):
    page = tmp_path / "t.html"
    page.write_text(to_html(EMPTY))
    names = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent)"
    with Browser(tmp_path / "profile") as browser:
        look = browser.look_at(page)
        assert look.errors == []
        assert browser.evaluate(names) == ["b", "a", "c 10", "c 9"]
        click = "document.querySelectorAll('th button')[1].click()"
        browser.evaluate(click)
        # the highest first, and what has no number last, whichever way
        assert browser.evaluate(names) == ["c 9", "b", "c 10", "a"]
        state = "document.querySelectorAll('th')[1].getAttribute('aria-sort')"
        assert browser.evaluate(state) == "descending"
        browser.evaluate(click)
        assert browser.evaluate(names) == ["c 10", "b", "c 9", "a"]
        assert browser.evaluate(state) == "ascending"
        browser.evaluate(click)
        assert browser.evaluate(names) == ["b", "a", "c 10", "c 9"], "as it was written"
        assert browser.evaluate(state) is None
        browser.press("Tab")
        assert browser.evaluate("document.activeElement.textContent") == "CLIP"
        browser.press("Enter")
        assert browser.evaluate(names) == ["a", "b", "c 9", "c 10"], "numbers in names by value"
        browser.press("Tab")
        browser.press(" ")
        assert browser.evaluate(names) == ["c 9", "b", "c 10", "a"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    compile_latex(TABLE, tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_missing_cells(tmp_path):
    compile_latex(EMPTY, tmp_path)


def compile_latex(table, tmp_path):
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + to_latex(table)
        + "\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
