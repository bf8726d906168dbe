"""What a protocol is given, and what it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.text_sets import CaptionSet, GallerySet, TemplateSet
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.feature_files import text_file
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.seen_classes import ClassGroup, choose_classes
from nicheclip.evaluation.text_sets import (
    ClassEmbeddings,
    GalleryEmbeddings,
    read_class_embeddings,
    read_gallery_embeddings,
)
from nicheclip.models.features import ENCODE_AGAIN, Array
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


@dataclass(frozen=True)
class Task:
    """One variant of a subject, judged by one protocol of one evaluation."""

    options: EvaluationConfig
    """Of the evaluation; those that the protocol uses are set."""
    whole: EvaluationSplit
    """All images and classes of the split, with the variant's image features."""
    groups: Mapping[ClassGroup, Sequence[str]]
    """Class ids of each group; all classes alone where nothing decides which are seen."""
    features: Path
    """Folder of the features of the subject's variants."""
    variant: str
    seed: int
    """Of the bootstrap."""
    folds: Path | None = None
    """Support sets, where the evaluation draws some."""
    learnt_from: Mapping[str, EvaluationSplit] = field(default_factory=dict)
    """The splits that protocols learn from, by name, with the variant's features."""

    def split(self) -> EvaluationSplit:
        """The images of the classes that the evaluation chooses.

        Raises:
            InputError: seen or unseen classes are wanted and there are fewer than two.
        """
        return self.whole.among(
            choose_classes(self.options.classes, self.groups, seen_in=self.options.seen_in)
        )

    def learnt_split(self, name: Literal["train", "val"] = "train") -> EvaluationSplit:
        """The images of the split ``name`` of the classes that the evaluation chooses.

        Raises:
            InputError: as ``split``, or there are no features of the split.
        """
        if name not in self.learnt_from:
            raise InputError(
                f"there are no features of the {name} split. Run the evaluate stage again."
            )
        return self.learnt_from[name].among(
            choose_classes(self.options.classes, self.groups, seen_in=self.options.seen_in)
        )

    def left_out(self, split: EvaluationSplit) -> dict[str, int]:
        """The count of images that ``split`` leaves out, where classes are chosen."""
        if not self.options.chooses:
            return {}
        return {"images_of_other_classes": len(self.whole.labels) - len(split.labels)}

    def class_embeddings(self, text_set: TemplateSet | CaptionSet) -> ClassEmbeddings:
        """The variant's embeddings of the classes.

        Raises:
            InputError: they cannot be read, or are not as wide as the images' features.
        """
        path = text_file(self.features, self.variant, text_set.name)
        found = read_class_embeddings(path)
        self._check_width(path, found.embeddings)
        return found

    def gallery(self) -> GalleryEmbeddings:
        """The variant's embeddings of the retrieval gallery.

        Raises:
            InputError: as ``class_embeddings``.
        """
        path = text_file(self.features, self.variant, GallerySet().name)
        found = read_gallery_embeddings(path)
        self._check_width(path, found.embeddings)
        return found

    def _check_width(self, path: Path, texts: Array) -> None:
        images = self.whole.images.features
        if images.shape[1] != texts.shape[1]:
            raise InputError(
                f"{path}: features of {texts.shape[1]} numbers, but those of the images beside it "
                f"have {images.shape[1]}; expected the same model's. {ENCODE_AGAIN}"
            )

    def folds_file(self) -> Path:
        """The file of support sets.

        Raises:
            InputError: there is none.
        """
        if self.folds is None:
            raise InputError("few-shot: the evaluation has no folds. Run the evaluate stage again.")
        return self.folds


@dataclass(frozen=True)
class Judged:
    """What one variant scored by one protocol."""

    n: int
    """Images judged."""
    classes: int
    """Classes to choose from."""
    measures: list[Measure]
    predictions: Predictions | Mapping[tuple[str, str], Predictions] | None = None
    """Of each image, or of each (text type, group); few-shot has none."""
    counts: dict[str, int] = field(default_factory=dict)
    excluded: list[Dropped] = field(default_factory=list)
