"""Links from the numbers of tables to where they come from, for the report's first page."""

import html
import re
from pathlib import Path

import yaml

from nicheclip.reporting.passport import Facts, source_facts

#: a measured number as ``table_html`` writes it: its metrics files (a line each), value and text
_CELL = re.compile(r'<td title="([^"]+)"( data-value="[^"]*")>(.*?)</td>', re.DOTALL)

STYLE = """
.from{color:inherit;text-decoration:underline dotted #9ca3af}
.passports pre{font-size:.8em;white-space:pre-wrap;overflow-wrap:anywhere}
.passports pre{background:#f3f4f6;padding:.8em}
.passports details{margin:.2em 0} .passports details details{margin-left:1em}
.passports summary{font-weight:400} .passports summary,.passports p{overflow-wrap:anywhere}
:target{outline:2px solid #e69f00}
"""


class PassportSection:
    """Gives each metrics file that a linked cell names a place on the page.

    A browser opens what is folded around the place that a link leads to, so there is no script.
    """

    def __init__(self, root: Path) -> None:
        """``root``: the folder that the paths in tables are relative to."""
        self._root = root
        self._files: dict[str, str] = {}
        self._sets: dict[tuple[str, ...], str] = {}

    def linked(self, table: str) -> str:
        """The HTML of a table whose measured numbers lead to their passports."""
        return _CELL.sub(self._link, table)

    def _link(self, cell: re.Match[str]) -> str:
        sources = tuple(html.unescape(cell[1]).split("\n"))
        for one in sources:
            self._files.setdefault(one, f"passport-{len(self._files)}")
        place = self._files[sources[0]]
        if len(sources) > 1:
            place = self._sets.setdefault(sources, f"passports-{len(self._sets)}")
        link = f'<a class="from" href="#{place}">{cell[3]}</a>'
        return f'<td title="{cell[1]}"{cell[2]}>{link}</td>'

    def html(self) -> str:
        """The section with all that was linked; empty where nothing was."""
        if not self._files:
            return ""
        files = "\n".join(self._file(path, place) for path, place in self._files.items())
        sets = "\n".join(self._set(sources, place) for sources, place in self._sets.items())
        of_several = (
            f"<details><summary>Numbers of several results, such as means over seeds: "
            f"{len(self._sets)}</summary>\n{sets}</details>"
            if sets
            else ""
        )
        return (
            '<h2 id="passports">Where the numbers come from</h2>\n'
            "<p>Every measured number in a table above is a link to its passport here: "
            "predictions, model, config, digests of code and data, versions, hardware and seeds. "
            "<code>nicheclip explain</code> prints the same of one cell.</p>\n"
            f'<div class="passports">{of_several}\n'
            f"<details><summary>Single results: {len(self._files)}</summary>\n{files}</details>"
            "</div>"
        )

    def _file(self, path: str, place: str) -> str:
        facts: Facts = source_facts(self._root, path)
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=100)
        return (
            f"<details><summary>{html.escape(_short(path))}</summary>"
            f'<pre id="{place}">{html.escape(text)}</pre></details>'
        )

    def _set(self, sources: tuple[str, ...], place: str) -> str:
        links = ", ".join(
            f'<a href="#{self._files[one]}">{html.escape(_short(one))}</a>' for one in sources
        )
        return f'<p id="{place}">{links}</p>'


def _short(path: str) -> str:
    """``results/evaluate/<what>/metrics.json`` without its ends."""
    return path.removeprefix("results/evaluate/").removesuffix("/metrics.json")
