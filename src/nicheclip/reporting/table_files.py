"""Writes tables as Markdown, CSV and booktabs LaTeX, and beside them where numbers came from.

The same table gives the same bytes. HTML is in ``table_html``.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from nicheclip.reporting.table import (
    Content,
    Measured,
    Missing,
    Number,
    Table,
    emphasised,
    notes_of,
    plain,
    reasons,
)
from nicheclip.reporting.table_html import to_html
from nicheclip.runtime.csv_file import csv_text
from nicheclip.runtime.files import write_text

#: the column of a CSV file that says why fields are empty
MISSING = "missing"


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
        [emphasised(_markdown_text(plain(cell)), cell, _MARKDOWN) for cell in row]
        for row in table.rows
    ]
    widths = [max(3, *(len(row[i]) for row in [header, *body])) for i in range(len(header))]
    lines = [f"**{_markdown_text(table.title)}**", "", _markdown_row(header, widths)]
    lines.append(_markdown_row(["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]))
    lines += [_markdown_row(row, widths) for row in body]
    for note in notes_of(table):
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
    """One line per row, numbers in full; an empty field where there is no number.

    Why it is empty is in the column ``missing``, which is there where a cell has a reason.
    """
    header = []
    for column in table.columns:
        extra = [f"{column.key}_{end}" for end in ("spread", "low", "high")]
        header += [column.key, *(extra if column.interval else [])]
    missing = [MISSING] if reasons(table) else []
    rows = [header + missing + [name for name, _ in table.constants]]
    for row in table.rows:
        fields: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, str):
                fields.append(cell)
            else:
                fields.append(_full(cell.value) if isinstance(cell, Number | Measured) else "")
            if column.interval:
                ends: tuple[float | None, ...] = (None, None, None)
                if isinstance(cell, Measured):
                    ends = (cell.spread, cell.low, cell.high)
                fields += [_full(end) for end in ends]
        fields += [_missing(table, row)] if missing else []
        rows.append(fields + [value for _, value in table.constants])
    return csv_text(rows)


def _missing(table: Table, row: Sequence[Content]) -> str:
    """The columns in which ``row`` has no number, each with the reason."""
    cells = zip(table.columns, row, strict=True)
    return "; ".join(f"{c.key}: {cell.reason}" for c, cell in cells if isinstance(cell, Missing))


def sources_to_csv(table: Table) -> str:
    """Where each measured number came from: row, column, metrics file."""
    rows = [["row", "column", "metrics"]]
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, Measured):
                rows += [[plain(row[0]), column.key, source] for source in cell.sources]
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
    lines += [rf"  \par\smallskip\footnotesize {_escaped(note)}" for note in notes_of(table)]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


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
        "–": "--",
        "×": r"$\times$",
    }
)


def _escaped(text: str) -> str:
    return _BREAKS.sub(" ", text).translate(_LATEX)


def _latex_cell(cell: Content) -> str:
    # at the start of a row these would be read as arguments of the row before
    guard = str.maketrans({"[": "{[}", "]": "{]}", "*": "{*}"})
    return emphasised(_escaped(plain(cell)).translate(guard), cell, _LATEX_MARKS)


_MARKDOWN = {"bold": "**{}**", "underline": "<u>{}</u>"}
_LATEX_MARKS = {"bold": r"\textbf{{{}}}", "underline": r"\underline{{{}}}"}


def _full(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
