"""A page of pictures: what a model takes labelled images for, class by class."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.predictions import Predictions, read_class_names, read_predictions
from nicheclip.plan.page_request import WrongPart
from nicheclip.reporting.html_pieces import answered
from nicheclip.reporting.thumbnails import thumbnail
from nicheclip.schemas import CATALOG, read_table

#: pictures of a class, and classes; all answers are in ``predictions.csv``
MOST_OF_A_CLASS = 24
MOST_CLASSES = 60

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:74em;padding:0 1.5em}
body{color:#1f2937;overflow-wrap:anywhere} h1{font-size:1.6em}
h2{margin-top:2em;border-bottom:1px solid #e5e7eb;font-size:1.2em}
p{max-width:60em} .muted,figcaption{color:#4b5563} a{color:#0072b2}
.gallery{display:flex;flex-wrap:wrap;gap:1em} figure{margin:0;width:168px}
img{border:3px solid #1b7f4b;display:block;max-width:160px}
.wrong img{border:3px dashed #c0392b} .wrong b{color:#c0392b}
figcaption{font-size:.85em;overflow-wrap:anywhere}
@media(max-width:480px){body{padding:0 .8em} .gallery{gap:.5em}}
@media print{figure,h2{break-inside:avoid} h2{break-after:avoid}}
"""


def predictions_page(part: WrongPart, report: str) -> str:
    """One HTML file without scripts: the classes with the most mistakes first.

    In each class, mistakes stand first, the surest one before all; then what is right, the least
    sure first.

    Args:
        part: a model and what it answered.
        report: the address of the report's first page, seen from this one.
    """
    predictions, names = read_predictions(part.predictions), read_class_names(part.classes)
    catalog = read_table(part.catalog, CATALOG)
    files = dict(zip(catalog["image_id"].to_pylist(), catalog["key"].to_pylist(), strict=True))
    images = ImageSet(Path(part.images))
    by_class = rows_by_class(predictions)
    shown = by_class[:MOST_CLASSES]
    place = images.rows_of(
        [predictions.image_ids[row] for _, rows in shown for row in rows[:MOST_OF_A_CLASS]]
    )
    right = int(predictions.correct().sum())
    parts = [
        f"<h1>{html.escape(part.title)}</h1>",
        f"<p>{right} of {len(predictions.labels)} images are right. A dashed red border is a "
        "mistake; the number is the model's confidence. Every answer is in <code>"
        f"{html.escape(str(Path(part.predictions).with_suffix('.csv')))}</code>. "
        f'<a href="{html.escape(report)}">The report</a></p>',
    ]
    if len(by_class) > len(shown):
        parts.append(
            f'<p class="muted">The {len(shown)} of {len(by_class)} classes with the most mistakes.'
            "</p>"
        )
    for label, rows in shown:
        wrong = sum(predictions.best[row] != label for row in rows)
        count = f"{len(rows) - wrong} of {len(rows)} right"
        parts.append(f"<h2>{html.escape(names.get(label, label))} <small>{count}</small></h2>")
        figures = []
        for row in rows[:MOST_OF_A_CLASS]:
            image_id = predictions.image_ids[row]
            picture = thumbnail(images.read(place[image_id]).encoded)
            file = files.get(image_id) or image_id
            figures.append(_figure(predictions, row, names, picture, file))
        parts.append(f'<div class="gallery">{"".join(figures)}</div>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>NicheCLIP: {html.escape(part.title)}</title>\n<style>{_STYLE}</style></head>\n"
        "<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def rows_by_class(predictions: Predictions) -> list[tuple[str, list[int]]]:
    """Each true class with its rows, both in the order of the page."""
    classes: dict[str, list[int]] = {}
    for row, label in enumerate(predictions.labels):
        classes.setdefault(label, []).append(row)

    def place(row: int) -> tuple[bool, float, str]:
        right = predictions.best[row] == predictions.labels[row]
        score = predictions.scores[row][0]
        return right, score if right else -score, predictions.image_ids[row]

    def mistakes(rows: Sequence[int]) -> int:
        return sum(predictions.best[row] != predictions.labels[row] for row in rows)

    ordered = [(label, sorted(rows, key=place)) for label, rows in classes.items()]
    return sorted(ordered, key=lambda one: (-mistakes(one[1]), one[0]))


def _figure(
    predictions: Predictions, row: int, names: Mapping[str, str], picture: str, file: str
) -> str:
    answers = [names.get(one, one) for one in predictions.classes[row]]
    style = "" if predictions.best[row] == predictions.labels[row] else "wrong"
    return answered(picture, answers, predictions.scores[row], file, style)
