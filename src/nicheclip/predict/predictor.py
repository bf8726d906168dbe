"""A model with the classes it chooses from, for any images.

>>> from nicheclip.predict.predictor import Predictor                           # doctest: +SKIP
>>> predictor = Predictor.open("results/models/trained/moths/seed0")            # doctest: +SKIP
>>> for one in predictor.predict(["a.jpg", Image.open("b.png").crop(box)]):     # doctest: +SKIP
...     print(one.file, one.guesses[0].name, one.guesses[0].score)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nicheclip.evaluation.ranking import order_by_score
from nicheclip.models.features import Array
from nicheclip.predict.choice import choose, image_config
from nicheclip.predict.class_list import ClassList
from nicheclip.predict.embeddings import class_embeddings
from nicheclip.predict.encoder import ImageEncoder
from nicheclip.predict.open_model import open_model
from nicheclip.predict.pictures import Picture
from nicheclip.predict.ranks import CLASS, Level, Probabilities, deepest, level_of, levels
from nicheclip.predict.restrict import among, within
from nicheclip.predict.settings import Settings
from nicheclip.runtime.errors import InputError

#: probabilities that are in memory at once
NUMBERS = 16_000_000


@dataclass(frozen=True)
class Guess:
    """A class or taxon, and how probable it is."""

    name: str
    rank: str
    """A taxonomic rank, or ``name`` for a class as the list has it."""
    score: float
    """Its probability among the classes to choose from."""
    class_id: str = ""
    """Of a class; "" of a taxon."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image."""

    file: str
    """As it was given; ``image 3`` for the third where it is no file."""
    guesses: tuple[Guess, ...] = ()
    """Best first."""
    answer: Guess | None = None
    """The deepest taxon that is sure enough, where that was asked for and there is one."""
    problem: str = ""
    """Why the image could not be read; "" where it could."""


class Predictor:
    """A model with its classes; ``open`` makes one."""

    def __init__(
        self,
        encoder: ImageEncoder,
        classes: ClassList,
        anchors: Array,
        logit_scale: float,
        *,
        notes: Sequence[str] = (),
    ) -> None:
        """Put together what was opened.

        Args:
            encoder: of images.
            classes: C classes.
            anchors: [C, d], rows of length 1.
            logit_scale: the factor between cosine and logit.
            notes: what the person should know of the classes.
        """
        self._encoder, self.classes, self.notes = encoder, classes, list(notes)
        self._anchors, self._scale = anchors, logit_scale
        self._levels: list[Level] = []

    @classmethod
    def open(
        cls,
        model: str | Path,
        classes: Path | str | Sequence[str] | None = None,
        settings: Settings | None = None,
        *,
        taxa: Mapping[str, Sequence[str]] | None = None,
        only: Path | None = None,
    ) -> "Predictor":
        """A predictor by what a person calls model and classes.

        Args:
            model: a folder, ``ARCHITECTURE:TAG`` or ``hf-hub:OWNER/NAME``.
            classes: see ``choose``.
            settings: of texts and computation.
            taxa: names by rank, which the classes must be of.
            only: a file of names; see ``restrict.among``.

        Raises:
            InputError: no such model, no classes, or fewer than two are left.
        """
        settings = settings or Settings()
        opened = open_model(str(model), settings.registry)
        choice = choose(opened, classes, settings)
        kept, notes = choice.classes, []
        if taxa:
            kept = within(kept, taxa)
        if only:
            kept, missing = among(kept, only)
            if missing:
                notes.append(
                    f"{only}: {len(missing)} names are of none of the classes, the first "
                    f"{missing[0]!r}"
                )
        if same := kept.same_texts():
            notes.append(
                f"{len(same)} classes have the texts of another, so nothing tells them apart: "
                f"{', '.join(same[:5])}{', ...' if len(same) > 5 else ''}; see --text-type"
            )
        encoder = ImageEncoder(opened.clip, image_config(opened, settings), settings)
        if choice.classifier is not None:
            place = {one: row for row, one in enumerate(choice.classifier.class_ids)}
            anchors = choice.classifier.anchors[[place[one] for one in kept.ids]]
            return cls(encoder, kept, anchors, choice.classifier.logit_scale, notes=notes)
        if opened.classifier is not None:
            notes.append("the texts of these classes answer, not the classifier of the model")
        found = class_embeddings(
            opened.clip,
            kept.texts,
            batch_size=settings.batch_size,
            device=settings.chosen_device,
            cache=settings.cache,
        ).among(kept.ids)
        return cls(encoder, kept, found.embeddings, found.logit_scale, notes=notes)

    @property
    def levels(self) -> list[Level]:
        """From the classes up to the highest rank that they have."""
        self._levels = self._levels or levels(self.classes.table)
        return self._levels

    def predict(
        self,
        pictures: Iterable[Picture],
        *,
        top: int = 5,
        rank: str | None = None,
        confidence: float | None = None,
    ) -> Iterator[Prediction]:
        """A prediction for each picture, in their order, as batches are done.

        Args:
            pictures: files, encoded bytes, or images of Pillow.
            top: how many guesses.
            rank: guess taxa of this rank: their probabilities are the sums over their classes.
            confidence: also answer with the deepest taxon, from ``rank`` up, that is at least so
                probable.

        Raises:
            InputError: the classes have no such rank, or a number that cannot be.
        """
        if top < 1 or (confidence is not None and not 0 < confidence <= 1):
            raise InputError(
                f"--top {top}, --confidence {confidence}: expected at least 1, and a share above 0 "
                "of at most 1."
            )
        level = level_of(rank, self.levels) if rank else None
        return self._predict(pictures, top, level, confidence)

    def _predict(
        self, pictures: Iterable[Picture], top: int, level: Level | None, confidence: float | None
    ) -> Iterator[Prediction]:
        names: list[str] = []

        def named() -> Iterator[Picture]:
            for number, one in enumerate(pictures, start=1):
                names.append(str(one) if isinstance(one, str | Path) else f"image {number}")
                yield one

        for problems, features in self._encoder.batches(named()):
            files = [names.pop(0) for _ in problems]
            readable = [file for file, problem in zip(files, problems, strict=True) if not problem]
            said = iter(self._of_features(features, readable, top, level, confidence))
            for file, problem in zip(files, problems, strict=True):
                yield Prediction(file, problem=problem) if problem else next(said)

    def _of_features(
        self,
        features: Array,
        files: list[str],
        top: int,
        level: Level | None,
        confidence: float | None,
    ) -> list[Prediction]:
        found: list[Prediction] = []
        step = max(1, NUMBERS // len(self._anchors))
        for start in range(0, len(files), step):
            rows = slice(start, start + step)
            cosines = features[rows] @ self._anchors.T
            probabilities = _softmax(cosines, self._scale)
            guesses = self._guesses(cosines, probabilities, files[rows], top, level)
            answers: list[Guess | None] = [None] * len(guesses)
            if confidence is not None:
                lowest = self.levels.index(level) if level else 0
                sure = deepest(probabilities, self.levels[lowest:], confidence)
                answers = [Guess(*one) if one else None for one in sure]
            found += [
                Prediction(file, some, answer)
                for file, some, answer in zip(files[rows], guesses, answers, strict=True)
            ]
        return found

    def _guesses(
        self,
        cosines: Array,
        probabilities: Probabilities,
        files: list[str],
        top: int,
        level: Level | None,
    ) -> list[tuple[Guess, ...]]:
        if level is None:
            # by cosine, as evaluations order classes
            order, scores = order_by_score(cosines, files, top), probabilities
            names, rank = self.classes.table["name"].to_list(), CLASS
        else:
            scores = level.sums(probabilities)
            order = order_by_score(scores, files, top)
            names, rank = level.names, level.rank
        ids = self.classes.ids
        return [
            tuple(
                Guess(
                    names[column],
                    rank if level is None or level.named[column] else CLASS,
                    float(row[column]),
                    ids[column] if level is None else "",
                )
                for column in columns
            )
            for columns, row in zip(order.tolist(), scores, strict=True)
        ]


def _softmax(cosines: Array, scale: float) -> Probabilities:
    logits = np.multiply(cosines, scale, dtype=np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
