"""Predictions as CSV, JSON or a table for the eyes, row by row as they come."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import Literal

from nicheclip.predict.predictor import Guess, Prediction
from nicheclip.runtime.csv_file import csv_text

Format = Literal["csv", "json", "table"]

#: letters of a cell of the table
WIDTH = 36


def lines(
    predictions: Iterable[Prediction], kind: Format, *, top: int, answers: bool
) -> Iterator[str]:
    """The text, in pieces.

    Args:
        predictions: of all images.
        kind: ``csv``: the columns file, predicted, score, predicted_2, score_2, ..., problem, with
            ``answers`` also answer, rank and confidence after the file; ``json``: an array with an
            object for each image; ``table``: columns of bounded width.
        top: the guesses of an image.
        answers: the deepest sure taxon was asked for.
    """
    if kind == "json":
        yield from _json(predictions, answers)
        return
    rows = chain([_header(top, answers)], (_row(one, top, answers) for one in predictions))
    if kind == "csv":
        yield from (csv_text([row]) for row in rows)
    else:
        yield from _table(rows)


def _header(top: int, answers: bool) -> list[str]:
    more = [f"{name}_{place}" for place in range(2, top + 1) for name in ("predicted", "score")]
    first = ["answer", "rank", "confidence"] if answers else []
    return ["file", *first, "predicted", "score", *more, "problem"]


def _row(one: Prediction, top: int, answers: bool) -> list[str]:
    cells = [[guess.name, f"{guess.score:.6g}"] for guess in one.guesses]
    cells += [["", ""]] * (top - len(cells))
    answer = one.answer
    first = [answer.name, answer.rank, f"{answer.score:.6g}"] if answer else ["", "", ""]
    return [one.file, *(first if answers else []), *chain.from_iterable(cells), one.problem]


def _table(rows: Iterable[list[str]]) -> Iterator[str]:
    rows = [[_short(cell) for cell in row] for row in rows]
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip() + "\n"


def _short(cell: str) -> str:
    """Numbers to three digits; of long texts the end, which tells files apart."""
    try:
        return f"{float(cell):.3f}"
    except ValueError:
        return cell if len(cell) <= WIDTH else f"...{cell[3 - WIDTH :]}"


def _json(predictions: Iterable[Prediction], answers: bool) -> Iterator[str]:
    before = "["
    for one in predictions:
        found: dict[str, object] = {"file": one.file}
        if one.problem:
            found["problem"] = one.problem
        else:
            if answers:
                found["answer"] = _guess(one.answer) if one.answer else None
            found["predictions"] = [_guess(guess) for guess in one.guesses]
        yield f"{before}\n{json.dumps(found, ensure_ascii=False)}"
        before = ","
    yield f"{'[' if before == '[' else ''}\n]\n"


def _guess(guess: Guess) -> dict[str, object]:
    return {name: value for name, value in asdict(guess).items() if value != ""}
