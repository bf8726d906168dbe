"""Tables of measured and published numbers, as Markdown, CSV, booktabs LaTeX and HTML.

The same table gives the same bytes. A cell is a text, a number that was published or counted, a
measured number with the files it came from, or None where nothing ran.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nicheclip.runtime.csv_file import csv_text
from nicheclip.runtime.files import write_text

Emphasis = Literal["bold", "underline"]


@dataclass(frozen=True)
class Number:
    """A number that was not measured here: published, counted, or expected by chance."""

    value: float
    digits: int = 3


@dataclass(frozen=True)
class Measured:
    """A measured number."""

    value: float
    sources: tuple[str, ...]
    """The metrics files that it came from."""
    spread: float | None = None
    """Standard deviation over seeds."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval."""
    digits: int = 3
    signed: bool = False
    """Show a plus: the number is a difference."""
    emphasis: Emphasis | None = None
    """Of the best values of a column; the CSV file has none."""


Content = str | Number | Measured | None


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str
    """Its name in the CSV file."""
    label: str
    """Its heading."""
    interval: bool = False
    """The CSV file has three more columns: ``<key>_spread``, ``<key>_low``, ``<key>_high``."""


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Content, ...], ...]
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    constants: tuple[tuple[str, str], ...] = ()
    """Columns of the CSV file alone, with the same value in every row: a file that is passed on
    without its title must still say what it is."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} cells for {len(self.columns)} columns")


def rows_by_key(table: Table) -> list[dict[str, Content]]:
    """The rows as mappings from the columns' keys."""
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write ``<name>.md``, ``.csv``, ``.tex``, ``.html`` and ``.sources.csv`` to ``folder``.

    Returns:
        The five paths, in that order.
    """
    writers: dict[str, Callable[[Table], str]] = {
        "md": to_markdown,
        "csv": to_csv,
        "tex": to_latex,
        "html": to_html,
        "sources.csv": sources_to_csv,
    }
    paths = []
    for suffix, writer in writers.items():
        paths.append(folder / f"{name}.{suffix}")
        write_text(paths[-1], writer(table))
    return paths


def to_markdown(table: Table) -> str:
    """Title, table and notes; numbers are right-aligned; texts hold no HTML, links or new cells."""
    header = [_markdown_text(column.label) for column in table.columns]
    body = [
        [_emphasised(_markdown_text(_plain(cell)), cell, _MARKDOWN) for cell in row]
        for row in table.rows
    ]
    widths = [max(3, *(len(row[i]) for row in [header, *body])) for i in range(len(header))]
    lines = [f"**{_markdown_text(table.title)}**", "", _markdown_row(header, widths)]
    lines.append(_markdown_row(["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]))
    lines += [_markdown_row(row, widths) for row in body]
    for note in table.notes:
        lines += ["", _markdown_text(note)]
    return "\n".join(lines) + "\n"


_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


def _markdown_text(text: str) -> str:
    """``text`` on one line, such that it is shown as it is."""
    line = _BREAKS.sub(" ", text).replace("|", r"\|")
    return line.replace("<", "&lt;").replace("](", r"]\(")


def _markdown_row(cells: list[str], widths: list[int] | None = None) -> str:
    if widths:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        cells = [cells[0].ljust(widths[0]), *padded[1:]]
    return f"| {' | '.join(cells)} |"


def to_csv(table: Table) -> str:
    """One line per row, numbers in full; an empty field where nothing was measured."""
    header = []
    for column in table.columns:
        extra = [f"{column.key}_{end}" for end in ("spread", "low", "high")]
        header += [column.key, *(extra if column.interval else [])]
    rows = [header + [name for name, _ in table.constants]]
    for row in table.rows:
        fields: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, str):
                fields.append(cell)
            else:
                fields.append(_full(cell.value if cell else None))
            if column.interval:
                ends: tuple[float | None, ...] = (None, None, None)
                if isinstance(cell, Measured):
                    ends = (cell.spread, cell.low, cell.high)
                fields += [_full(end) for end in ends]
        rows.append(fields + [value for _, value in table.constants])
    return csv_text(rows)


def sources_to_csv(table: Table) -> str:
    """Where each measured number came from: row, column, metrics file."""
    rows = [["row", "column", "metrics"]]
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, Measured):
                rows += [[_plain(row[0]), column.key, source] for source in cell.sources]
    return csv_text(rows)


def to_latex(table: Table) -> str:
    """A ``table`` environment for the packages booktabs and graphicx; texts are escaped.

    A table that is wider than the line is shrunk to it.
    """
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_escaped(table.title)}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"    \toprule",
        f"    {_latex_row([_escaped(column.label) for column in table.columns])}",
        r"    \midrule",
    ]
    lines += [f"    {_latex_row([_latex_cell(cell) for cell in row])}" for row in table.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}}"]
    lines += [rf"  \par\smallskip\footnotesize {_escaped(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def to_html(table: Table) -> str:
    """A page of its own; a measured number shows the files that it came from when pointed at."""
    head = "".join(f"<th>{html.escape(column.label)}</th>" for column in table.columns)
    body = "\n".join(f"<tr>{''.join(_html_cell(cell) for cell in row)}</tr>" for row in table.rows)
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    title = html.escape(table.title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<table><caption>{title}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>\n{notes}\n"
        "</body></html>\n"
    )


_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:1.5em;color:#1f2937}"
    "table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid}"
    "caption{text-align:left;font-weight:600;padding-bottom:.6em}"
    "th,td{padding:.3em .7em;text-align:right}"
    "th{border-bottom:1px solid;vertical-align:bottom}"
    "th:first-child,td:first-child{text-align:left;white-space:nowrap}"
    "p{max-width:60em;color:#4b5563}"
)


def _html_cell(cell: Content) -> str:
    sources = "\n".join(cell.sources) if isinstance(cell, Measured) else ""
    title = f' title="{html.escape(sources)}"' if sources else ""
    return f"<td{title}>{_emphasised(html.escape(_plain(cell)), cell, _HTML)}</td>"


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "−": r"$-$",
        "×": r"$\times$",
    }
)


def _escaped(text: str) -> str:
    return _BREAKS.sub(" ", text).translate(_LATEX)


def _latex_cell(cell: Content) -> str:
    # at the start of a row these would be read as arguments of the row before
    guard = str.maketrans({"[": "{[}", "]": "{]}", "*": "{*}"})
    return _emphasised(_escaped(_plain(cell)).translate(guard), cell, _LATEX_MARKS)


_MARKDOWN = {"bold": "**{}**", "underline": "<u>{}</u>"}
_HTML = {"bold": "<b>{}</b>", "underline": "<u>{}</u>"}
_LATEX_MARKS = {"bold": r"\textbf{{{}}}", "underline": r"\underline{{{}}}"}


def _emphasised(text: str, cell: Content, marks: Mapping[str, str]) -> str:
    if isinstance(cell, Measured) and cell.emphasis:
        return marks[cell.emphasis].format(text)
    return text


def _plain(cell: Content) -> str:
    """As a person reads it: ``0.913 ± 0.004 [0.902, 0.921]``; empty where nothing was measured."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    text = f"{cell.value:.{cell.digits}f}"
    if isinstance(cell, Number):
        return text
    if cell.signed:
        text = f"{cell.value:+.{cell.digits}f}".replace("-", "−")
    if cell.spread is not None:
        text += f" ± {cell.spread:.{cell.digits}f}"
    if cell.low is not None and cell.high is not None:
        text += f" [{cell.low:.{cell.digits}f}, {cell.high:.{cell.digits}f}]"
    return text


def _full(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
