"""The report's section of mistakes: confused classes, and pictures of the surest wrong answers."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.predictions import (
    Predictions,
    read_class_names,
    read_group_predictions,
    read_predictions,
)
from nicheclip.plan.page_request import EvaluationPart, WrongPart
from nicheclip.reporting.html_pieces import figure, listed
from nicheclip.reporting.thumbnails import thumbnail
from nicheclip.schemas import CATALOG, read_table

#: wrong predictions that are shown, and pairs of classes that are listed
MOST_WRONG = 12
MOST_PAIRS = 8


def mistakes(evaluations: Sequence[EvaluationPart]) -> str:
    """The section; all but the first model of the first evaluation are folded."""
    parts = [part for one in evaluations for part in one.wrong]
    if not parts:
        return ""
    first, *others = parts
    folded = [_wrong(first, "<details open>"), *(_wrong(one, "<details>") for one in others)]
    return "\n".join(['<h2 id="mistakes">Mistakes</h2>', *folded])


def _wrong(part: WrongPart, details: str) -> str:
    title, predictions = _predictions(part)
    body = "\n".join(_body(part, predictions, read_class_names(part.classes)))
    return f"{details}<summary><h3>{html.escape(title)}</h3></summary>\n{body}</details>"


def _body(part: WrongPart, predictions: Predictions, names: Mapping[str, str]) -> list[str]:
    pairs = [
        f"{count} of {total} images of {names.get(label, label)} "
        f"{'was' if count == 1 else 'were'} taken for {names.get(best, best)}."
        for label, best, count, total in confused_pairs(predictions)[:MOST_PAIRS]
    ]
    if not pairs:
        return ["<p>No mistakes.</p>"]
    shown = surest_mistakes(predictions)
    text = (
        "The wrong answers that the model was surest of, the surest first. Under each image: in "
        "red the answer and its probability, then the label, then the file. Where the answer is "
        "right and the label wrong, correct the label."
    )
    found = [listed(pairs, "pairs"), f"<p>{text}</p>", _gallery(part, predictions, shown, names)]
    if part.figure:
        found.append(f"<h4>Confusion matrix</h4>{figure(part.figure, 'Confusion matrix')}")
    return found


def _predictions(part: WrongPart) -> tuple[str, Predictions]:
    """The heading, and among all classes the predictions by the texts that fit the model best."""
    if not part.by_text_type:
        return part.title, read_predictions(part.predictions)
    among_all = {
        text_type: found
        for (text_type, group), found in read_group_predictions(part.predictions).items()
        if group == "all"
    }
    best = max(sorted(among_all), key=lambda one: sum(among_all[one].correct()))
    return f"{part.title}, by its best texts ({best})", among_all[best]


def confused_pairs(predictions: Predictions) -> list[tuple[str, str, int, int]]:
    """(true class, predicted class, images, images of the true class), the most frequent first."""
    totals = Counter(predictions.labels)
    pairs = Counter(zip(predictions.labels, predictions.best, strict=True))
    wrong = [(*pair, count, totals[pair[0]]) for pair, count in pairs.items() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda one: (-one[2], one[3], one[0], one[1]))


def surest_mistakes(predictions: Predictions, most: int = MOST_WRONG) -> list[int]:
    """Places of the wrong predictions with the highest scores."""
    wrong = [row for row, right in enumerate(predictions.correct()) if not right]
    return sorted(wrong, key=lambda row: (-predictions.scores[row][0], predictions.image_ids[row]))[
        :most
    ]


def _gallery(
    part: WrongPart, predictions: Predictions, shown: Sequence[int], names: Mapping[str, str]
) -> str:
    images = ImageSet(Path(part.images))
    place = images.rows_of([predictions.image_ids[row] for row in shown])
    catalog = read_table(part.catalog, CATALOG)
    files = dict(zip(catalog["image_id"].to_pylist(), catalog["key"].to_pylist(), strict=True))
    figures = []
    for row in shown:
        image_id, label = predictions.image_ids[row], predictions.labels[row]
        best, score = predictions.best[row], predictions.scores[row][0]
        file = html.escape(files.get(image_id) or image_id)
        figures.append(
            f'<figure><img src="{thumbnail(images.read(place[image_id]).encoded)}" alt="">'
            f'<figcaption><span class="wrong">{html.escape(names.get(best, best))} {score:.0%}'
            f"</span><br>is {html.escape(names.get(label, label))}<br>{file}</figcaption></figure>"
        )
    return f'<div class="gallery">{"".join(figures)}</div>'
