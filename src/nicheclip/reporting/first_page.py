"""The report's first page: results, mistakes, what to do next; one HTML file.

Its only script sorts tables; the page is whole without it.
"""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.frame import read_cells
from nicheclip.plan.page_request import DatasetPart, EvaluationPart, PagePlan, WrongPart
from nicheclip.reporting.advice import next_steps
from nicheclip.reporting.caption_sections import STYLE as CAPTION_STYLE
from nicheclip.reporting.caption_sections import caption_sections
from nicheclip.reporting.html_pieces import figure, listed
from nicheclip.reporting.mistakes import mistakes
from nicheclip.reporting.near_duplicates import closest_pairs
from nicheclip.reporting.passport_section import STYLE as PASSPORT_STYLE
from nicheclip.reporting.passport_section import PassportSection
from nicheclip.reporting.table_html import SORT_SCRIPT, SORT_STYLE
from nicheclip.reporting.thumbnails import thumbnail
from nicheclip.runtime.files import read_json

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1.5em}
body{color:#1f2937}
h1{font-size:1.6em;margin-bottom:.2em} h2{margin-top:2.2em;border-bottom:1px solid #e5e7eb}
h3{margin-bottom:.3em} p,li{max-width:60em} .muted,figcaption{color:#4b5563} a{color:#0072b2}
table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid;margin:1em 0}
caption{text-align:left;font-weight:600;padding-bottom:.5em}
.wide caption{position:sticky;left:0;max-width:calc(min(100vw,70em) - 3em)}
th,td{padding:.25em .7em;text-align:right}
th{border-bottom:1px solid;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;white-space:nowrap}
.wide{overflow-x:auto} .figure{max-width:100%;max-height:44em}
.gallery{display:flex;flex-wrap:wrap;gap:1em;padding:0} .gallery figure{margin:0;width:168px}
.gallery img{border:3px solid #c0392b;display:block;max-width:160px}
.twins{display:flex;flex-wrap:wrap;gap:1em} .twins figure{margin:0;display:flex;gap:4px}
.twins figure{border-left:3px solid #9ca3af;padding-left:6px} .twins div{width:160px}
.twins img{display:block;max-width:160px} .twins .across{border-color:#c0392b}
figcaption{font-size:.85em;overflow-wrap:anywhere} .wrong{color:#c0392b;font-weight:600}
.next{background:#f3f4f6;padding:.6em 1.5em 0.6em 2.5em;border-radius:.5em}
summary{cursor:pointer;font-weight:600} summary h3{display:inline;font-size:1em}
nav a{margin-right:1.2em;display:inline-block}
code{overflow-wrap:anywhere} h1,h3{overflow-wrap:anywhere}
@media print{.wide{overflow:visible} table{font-size:.75em} figure,tr,img{break-inside:avoid}
h2,h3{break-after:avoid}}
"""

ABOUT = (
    "This page shows what the run measured. Below each table stands what its columns mean and how "
    "its intervals were made. Press a heading to sort by it. An underlined number is a link to the "
    "models, data and versions that it comes from."
)


def first_page(plan: PagePlan) -> str:
    """The page of ``plan``, whose paths are relative to the working folder."""
    frames = {
        one.name: read_cells([Path(path) for path in one.metrics]) for one in plan.evaluations
    }
    passports = PassportSection(Path())
    parts = [
        f"<h1>{html.escape(plan.title)}</h1>",
        *(_dataset(one) for one in plan.datasets),
        '<h2 id="results">Results</h2>',
        _answers(plan.answers),
        _pictures(plan.predictions),
        passports.linked("\n".join([*map(_table, plan.papers), _evaluations(plan)])),
        '<h2 id="next">What to do next</h2>',
        listed(next_steps(plan, frames), "next"),
        mistakes(plan.evaluations),
        _calibration(plan.evaluations),
        *(_near_duplicates(one) for one in plan.datasets),
        caption_sections(plan.captions, plan.sources),
        _curves(plan.training),
        passports.html(),
        "<h2>More</h2>",
        _leaderboard(plan.leaderboard),
        f'<p><a href="{html.escape(plan.details)}">{html.escape(plan.details)}</a> holds every '
        "table and figure, the workflow's graph and the software. Tables for a program are in "
        "<code>results/tables/</code>, what each image was taken for in "
        "<code>results/evaluate/</code>, trained models in <code>results/models/trained/</code>."
        "</p>",
    ]
    parts.insert(1, _contents(parts))
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>NicheCLIP: {html.escape(plan.title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}{CAPTION_STYLE}{PASSPORT_STYLE}{SORT_STYLE}</style>{SORT_SCRIPT}</head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _contents(parts: Sequence[str]) -> str:
    """Links to the sections that have an id."""
    found = re.findall(r'<h2 id="([^"]+)">([^<]*)</h2>', "\n".join(parts))
    links = "".join(f'<a href="#{section}">{title}</a>' for section, title in found)
    return f"<p>{ABOUT}</p>\n<nav>{links}</nav>"


def _dataset(part: DatasetPart) -> str:
    """How many images, and what is known to be wrong with them."""
    manifest = read_json(part.manifest)
    counts = manifest["counts"]
    splits = ", ".join(f"{counts.get(split, 0)} {split}" for split in ("train", "val", "test"))
    text = f"{part.name}: {counts['images']} images of {counts['classes']} classes ({splits})"
    troubles = {**manifest["dropped_counts"], **manifest["noted_counts"]}
    if troubles:
        text += "; " + ", ".join(f"{reason}: {count}" for reason, count in troubles.items())
        text += f" (see {part.manifest})"
    return f'<p class="muted">{html.escape(text)}.</p>'


def _table(path: str) -> str:
    """What stands in the body of a table's own page, whose texts are escaped there."""
    page = Path(path).read_text(encoding="utf-8")
    body = re.search(r"<body>(.*)</body>", page, re.DOTALL)
    return f'<div class="wide">{body[1] if body else ""}</div>'


def _evaluations(plan: PagePlan) -> str:
    """The tables of the evaluations, folded where those of papers stand before them."""
    tables = "\n".join(_table(one.table) for one in plan.evaluations)
    if not plan.papers or not tables:
        return tables
    summary = "All that the evaluations measured"
    return f"<details><summary>{summary}</summary>\n{tables}</details>"


def _answers(pages: Mapping[str, str]) -> str:
    """Links to what adapted models answer for images without labels."""
    items = "".join(
        f'<li><a href="{html.escape(page)}">{html.escape(name)}</a></li>'
        for name, page in pages.items()
    )
    text = "Answers of adapted models for images without labels; how many are right is not known:"
    return f"<p>{text}</p><ul>{items}</ul>" if pages else ""


def _pictures(pages: Mapping[str, WrongPart]) -> str:
    """Links to the pages of pictures with what a model takes them for."""
    items = "".join(
        f'<li><a href="{html.escape(page)}">{html.escape(part.title)}</a></li>'
        for page, part in pages.items()
    )
    return f"<p>Every class in pictures, with the answers:</p><ul>{items}</ul>" if pages else ""


def _leaderboard(path: str | None) -> str:
    link = f'<a href="{html.escape(path or "")}">leaderboard</a>'
    return (
        f"<p>The {link} ranks the models on each task and over all tasks, with ties.</p>"
        if path
        else ""
    )


def _calibration(evaluations: Sequence[EvaluationPart]) -> str:
    """How far probabilities can be trusted, where an evaluation asks for it."""
    figures = [
        f"<h3>{html.escape(title)}</h3>\n{figure(path, f'Calibration of {title}')}"
        for one in evaluations
        for title, path in one.calibration.items()
    ]
    if not figures:
        return ""
    text = (
        "Left: where a mark is below the line, the model is surer than it is right. A temperature, "
        "fitted on the validation images, divides the logits and changes no answer. Right: "
        "accuracy where only the surest images are answered."
    )
    heading = '<h2 id="calibration">Can its confidence be trusted?</h2>'
    return "\n".join([heading, f"<p>{text}</p>", *figures])


def _near_duplicates(part: DatasetPart) -> str:
    """Versions of one photograph, side by side."""
    counts = read_json(part.manifest)["counts"]
    if part.near_duplicate_bits is None or not counts.get("near duplicates"):
        return ""
    pairs = closest_pairs(Path(part.catalog), part.near_duplicate_bits)
    leaked = counts["near duplicates of train in test"]
    figures = [
        f'<figure class="{"across" if pair.across else "within"}">'
        f"{_version(part, pair.first)}{_version(part, pair.second)}</figure>"
        for pair in pairs
    ]
    return "\n".join(
        [
            f'<h2 id="near-duplicates-{html.escape(part.name)}">'
            f"Near duplicates in {html.escape(part.name)}</h2>",
            f"<p>{counts['near duplicates']} images look like versions of others. {leaked} test "
            "images have a version among the training images: a model has seen the answer to "
            "these. Remove one of each pair, or, where splits are drawn, set <code>split: "
            "{keep_together: [near_duplicates]}</code>. If a pair has two classes, one of the "
            f"labels is wrong. Shown: {len(pairs)} of the pairs, first those in two splits (red "
            "line).</p>",
            f'<div class="twins">{"".join(figures)}</div>',
        ]
    )


def _version(part: DatasetPart, row: Mapping[str, str]) -> str:
    """An image of the catalog with its split, class and file."""
    images = ImageSet(Path(part.images) / row["split"])
    place = images.rows_of([row["image_id"]])[row["image_id"]]
    return (
        f'<div><img src="{thumbnail(images.read(place).encoded)}" alt=""><figcaption>'
        f"<b>{row['split']}</b>: {html.escape(row['class_id'])}<br>{html.escape(row['key'])}"
        "</figcaption></div>"
    )


def _curves(training: Mapping[str, str]) -> str:
    if not training:
        return ""
    figures = "\n".join(
        f"<details><summary>{html.escape(run)}</summary>"
        f"{figure(path, f'Training curves of {run}')}</details>"
        for run, path in training.items()
    )
    return f'<h2 id="curves">Training curves</h2>\n{figures}'
