"""Writes a table as an HTML page whose rows can be sorted by any column.

The script is in the page, so it works from a disk without network. It makes a button of each
heading, which the keyboard reaches; without scripts, in print, and for who never presses one, the
rows stand as they were written. What is in the table comes escaped and never becomes script.
"""

import html

from nicheclip.reporting.table import (
    MEANINGS,
    Content,
    Measured,
    Missing,
    Number,
    Table,
    emphasised,
    notes_of,
    plain,
)

SORT_STYLE = """
th button{all:unset;cursor:pointer;white-space:inherit}
th button:focus-visible{outline:2px solid #0072b2;outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \\25B2"}
th[aria-sort=descending] button::after{content:" \\25BC"}
td abbr{text-decoration:none;color:#6b7280;cursor:help}
@media print{th button::after{content:none}}
"""

#: for the head of a page: a module runs once the page is there. The first press sorts numbers from
#: the highest and texts from a, the second the other way round, the third as it was; cells without
#: a number stay last
SORT_SCRIPT = """<script type="module">
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column], number = cell.dataset.value;
    if (number !== undefined) return Number(number);
    return cell.querySelector("abbr") ? "" : cell.textContent.trim();
  };
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === typeof b && typeof a === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", {numeric: true});
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const first = rows.some(row => row.cells[column].dataset.value !== undefined)
      ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = now === first ? second : now === second ? null : first;
      heads.forEach(one => one.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const order = next
        ? [...rows].sort((a, b) => compare(value(a, column), value(b, column), sign)) : rows;
      body.append(...order);
    });
  });
}
</script>"""

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:1.5em;color:#1f2937}"
    "table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid}"
    "caption{text-align:left;font-weight:600;padding-bottom:.6em}"
    ".wide caption{position:sticky;left:0;max-width:calc(100vw - 3em)}"
    "th,td{padding:.3em .7em;text-align:right}"
    "th{border-bottom:1px solid;vertical-align:bottom}"
    "th:first-child,td:first-child{text-align:left;white-space:nowrap}"
    "p{max-width:60em;color:#4b5563} .wide{overflow-x:auto;margin:1.5em 0}"
)

_EMPHASIS = {"bold": "<b>{}</b>", "underline": "<u>{}</u>"}


def to_html(table: Table) -> str:
    """A page of its own; a measured number shows the files that it came from when pointed at."""
    return page(table.title, section(table))


def page(title: str, body: str) -> str:
    """A page with tables in its ``body``, which is HTML; ``title`` is a text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}{SORT_STYLE}</style>{SORT_SCRIPT}</head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def section(table: Table) -> str:
    """The table and its notes, which another page may take over with style and script."""
    head = "".join(f'<th scope="col">{html.escape(column.label)}</th>' for column in table.columns)
    body = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in notes_of(table))
    return (
        f'<table class="sortable"><caption>{html.escape(table.title)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>\n{notes}"
    )


def whole(text: str) -> str:
    """A number or an interval is never broken; a line may end between the two."""
    number, bracket, interval = text.partition(" [")
    return number.replace(" ", "\u00a0") + bracket + interval.replace(" ", "\u00a0")


def _cell(cell: Content) -> str:
    text = html.escape(plain(cell))
    if isinstance(cell, Measured):
        text = whole(text)
    if isinstance(cell, Missing):
        return f'<td><abbr title="{MEANINGS[cell.reason]}">{text}</abbr></td>'
    sources = "\n".join(cell.sources) if isinstance(cell, Measured) else ""
    title = f' title="{html.escape(sources)}"' if sources else ""
    value = f' data-value="{cell.value!r}"' if isinstance(cell, Number | Measured) else ""
    return f"<td{title}{value}>{emphasised(text, cell, _EMPHASIS)}</td>"
