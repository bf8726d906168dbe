"""A page of pictures: what a model says of each image without a label."""

import html
from collections.abc import Callable, Mapping, Sequence

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.answers import Answer
from nicheclip.models.signals import Signals
from nicheclip.reporting.html_pieces import answered
from nicheclip.reporting.thumbnails import thumbnail

#: pictures of each class, and of all classes those that are to be looked at first
MOST_OF_A_CLASS = 60
MOST_FIRST = 24

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:74em;padding:0 1.5em}
body{color:#1f2937} h1{font-size:1.6em} h2{margin-top:2em;border-bottom:1px solid #e5e7eb}
p{max-width:60em} .muted,figcaption{color:#4b5563} a{color:#0072b2}
.gallery{display:flex;flex-wrap:wrap;gap:1em} figure{margin:0;width:168px}
img{border:3px solid #e5e7eb;display:block;max-width:160px}
.unsure img{border:3px dashed #d55e00} .unsure b{color:#b04a00}
figcaption{font-size:.85em;overflow-wrap:anywhere}
@media(max-width:480px){body{padding:0 .8em} .gallery{gap:.5em}}
table{border-collapse:collapse} td,th{padding:.15em .8em;text-align:right}
td:first-child,th:first-child{text-align:left}
"""

_SIGNALS = {
    "confidence": "mean confidence",
    "balance": "balance of the decided classes (1: all equally often)",
    "information": "information (sure, and not of one class alone)",
    "zero_shot_agreement": "same answer as the start model without adaptation",
    "seed_agreement": "same answer as other seeds",
    "silhouette": "silhouette among the start model's features",
    "adapted_silhouette": "silhouette among the adapted model's features",
}


def answers_page(
    title: str,
    answers: Sequence[Answer],
    names: Mapping[str, str],
    images: ImageSet,
    found: Signals,
    model: str | None,
) -> str:
    """The page of an adapted model.

    Args:
        title: of the page.
        answers: of all images.
        names: of the classes, by id.
        images: that they are of.
        found: the signals of this model.
        model: where its folder is; None where the method makes none.
    """
    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    return pictures_page(
        title,
        answers,
        names,
        lambda one: thumbnail(images.read(rows[one.image_id]).encoded),
        _facts(found, model),
    )


def pictures_page(
    title: str,
    answers: Sequence[Answer],
    names: Mapping[str, str],
    picture: Callable[[Answer], str],
    facts: str,
) -> str:
    """One HTML file without scripts: first the images that the model is least sure of, then each
    class with its images, the least sure first; those of the first list are marked throughout.

    Args:
        title: of the page.
        answers: of all images.
        names: of the classes, by id; each has its part of the page. Others are called by their
            ids.
        picture: gives that of an answer, as a data URL; called for those that are shown.
        facts: HTML that stands above the pictures.
    """
    ordered = sorted(answers, key=lambda one: (one.scores[0], one.file))
    first = ordered[: min(MOST_FIRST, max(1, len(ordered) // 4))]
    unsure = {one.image_id for one in first}
    by_class: dict[str, list[Answer]] = {class_id: [] for class_id in names}
    for one in ordered:
        by_class.setdefault(one.classes[0], []).append(one)
    decided = [one for one in by_class.items() if one[1]]
    decided.sort(key=lambda item: (-len(item[1]), item[0]))

    def gallery(shown: Sequence[Answer]) -> str:
        figures = "".join(
            _figure(one, names, picture(one), one.image_id in unsure) for one in shown
        )
        return f'<div class="gallery">{figures}</div>'

    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{len(answers)} images without labels, {len(names)} classes. Nobody has checked these "
        "answers: look at the pictures.</p>",
        facts,
        _classes(decided, names),
        '<h2 id="first">Look at these first</h2>',
        f"<p>The {len(first)} images that the model is least sure of; they have a dashed border "
        "wherever they stand.</p>",
        gallery(first),
    ]
    for number, (class_id, mine) in enumerate(decided):
        name = html.escape(names.get(class_id, class_id))
        parts.append(f'<h2 id="class-{number}">{name} <small>({len(mine)})</small></h2>')
        if len(mine) > MOST_OF_A_CLASS:
            parts.append(
                f'<p class="muted">The {MOST_OF_A_CLASS} least sure of {len(mine)}; all are in '
                "predictions.csv.</p>"
            )
        parts.append(gallery(mine[:MOST_OF_A_CLASS]))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>NicheCLIP: {html.escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        "<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _classes(decided: Sequence[tuple[str, Sequence[Answer]]], names: Mapping[str, str]) -> str:
    """How many images each class has, with a link to them, and which classes have none."""
    links = ", ".join(
        f'<a href="#class-{number}">{html.escape(names.get(class_id, class_id))}</a> {len(mine)}'
        for number, (class_id, mine) in enumerate(decided)
    )
    found = {class_id for class_id, _ in decided}
    without = sorted(html.escape(name) for key, name in names.items() if key not in found)
    parts = [f"<p>Decided: {links or 'none'}.</p>"]
    if decided and len(decided[0][1]) > sum(len(mine) for _, mine in decided) / 2:
        parts.append(
            "<p>More than half of the images have one class. If they do not show it, the start "
            "model knows too little of such images: choose a pretrained one.</p>"
        )
    if without:
        parts.append(
            f"<details><summary>{len(without)} of {len(names)} classes have no image</summary>"
            f'<p class="muted">{", ".join(without)}</p></details>'
        )
    return "".join(parts)


def _facts(found: Signals, model: str | None) -> str:
    """The signals, and where the model is."""
    rows = "".join(
        f"<tr><td>{_SIGNALS[name]}</td><td>{value:.2f}</td></tr>"
        for name, value in found.measured().items()
    )
    where = f"<p>The model: <code>{html.escape(model)}</code></p>" if model else ""
    return f"{where}<table><tr><th>measured without labels</th><th></th></tr>{rows}</table>"


def _figure(one: Answer, names: Mapping[str, str], picture: str, unsure: bool) -> str:
    answers = [names.get(class_id, class_id) for class_id in one.classes]
    return answered(picture, answers, one.scores, one.file, "unsure" if unsure else "")
