"""Predictions as one page of pictures, like the report's."""

import html
from collections.abc import Sequence

from nicheclip.config.data import ImageConfig
from nicheclip.data.images import BadImageError
from nicheclip.evaluation.answers import Answer
from nicheclip.predict.pictures import picture_bytes
from nicheclip.predict.predictor import Guess, Prediction
from nicheclip.reporting.answers_page import pictures_page
from nicheclip.reporting.thumbnails import thumbnail

#: what stands for an answer that is not sure at any rank
UNSURE = "not sure of any taxon"
#: the data URL of a picture that cannot be shown
NO_PICTURE = "data:,"


def predictions_page(model: str, predictions: Sequence[Prediction], *, answers: bool) -> str:
    """One HTML file that holds its pictures.

    Args:
        model: its name.
        predictions: of files; those with a problem are listed.
        answers: pictures stand under the deepest sure taxon, not under the best guess.
    """
    shown = [_answer(one, answers) for one in predictions if not one.problem]
    problems = [one for one in predictions if one.problem]
    names = {one.classes[0]: one.classes[0] for one in shown}
    facts = [f"<p>Answers of <code>{html.escape(model)}</code>.</p>"]
    if problems:
        lines = "".join(
            f"<li>{html.escape(one.file)}: {html.escape(one.problem)}</li>" for one in problems
        )
        facts.append(f"<p>{len(problems)} images could not be read:</p><ul>{lines}</ul>")
    return pictures_page(
        f"What {len(shown)} images show",
        shown,
        names,
        _picture,
        "".join(facts),
    )


def _picture(one: Answer) -> str:
    """Empty where the image is no longer there: it came through a pipe, or was moved."""
    try:
        return thumbnail(picture_bytes(one.file, ImageConfig()))
    except BadImageError:
        return NO_PICTURE


def _answer(one: Prediction, answers: bool) -> Answer:
    best = list(one.guesses)
    if answers:
        answer = one.answer or Guess(UNSURE, "", one.guesses[0].score)
        best = [answer, *(guess for guess in best if guess.name != answer.name)]
    return Answer(
        one.file,
        one.file,
        tuple(guess.name for guess in best),
        tuple(guess.score for guess in best),
    )
