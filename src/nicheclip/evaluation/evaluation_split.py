"""The images of a split with their features and labels, and the classes to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.models.features import ENCODE_AGAIN, ImageFeatures, read_features
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class EvaluationSplit:
    """What a cell judges: all of a split, or the images of some classes."""

    images: ImageFeatures
    labels: dict[str, str]
    """Class of each image, by image id."""
    classes: pl.DataFrame
    """Schema ``CLASSES``, sorted by class id."""

    def among(self, class_ids: Sequence[str]) -> "EvaluationSplit":
        """Those of the classes and their images alone."""
        chosen = set(class_ids)
        if chosen.issuperset(self.classes["class_id"]):
            return self
        rows = [r for r, i in enumerate(self.images.image_ids) if self.labels[i] in chosen]
        ids = [self.images.image_ids[row] for row in rows]
        return EvaluationSplit(
            ImageFeatures(self.images.features[rows], ids),
            {image_id: self.labels[image_id] for image_id in ids},
            self.classes.filter(pl.col("class_id").is_in(chosen)),
        )


def read_evaluation_split(
    features: Path, catalog: Path, classes: Path, split: str
) -> EvaluationSplit:
    """All images and classes of a split.

    Args:
        features: file of image features of the split.
        catalog: schema ``CATALOG``, for the labels.
        classes: schema ``CLASSES``.
        split: its name.

    Raises:
        InputError: the features are not those of the split's images.
    """
    images, labels = read_features(features), read_labels(catalog, split)
    missing = [image_id for image_id in images.image_ids if image_id not in labels]
    if missing or len(labels) != len(images.image_ids):
        raise InputError(
            f"{features}: holds {len(images.image_ids)} images, the catalog's split {len(labels)}"
            + (f"; image {missing[0]} is not in it" if missing else "")
            + f". {ENCODE_AGAIN}"
        )
    return EvaluationSplit(images, labels, read_classes(classes))
