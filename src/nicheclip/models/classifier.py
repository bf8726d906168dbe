"""``classifier.safetensors``: the classes of an adapted model as anchors among image features.

Beside a model folder it says how the model classifies: an image belongs to the class whose anchor
has the largest dot product with the image's feature. Needs no torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path

TENSOR = "anchors"
IDS = "class_ids"


@dataclass(frozen=True)
class Classifier:
    """An anchor for each of C classes."""

    anchors: Array
    """[C, d], float32, each row of length 1."""
    class_ids: tuple[str, ...]
    """C ids, in the order of the rows."""

    def __post_init__(self) -> None:
        """Raise InputError if anchors and ids do not belong together."""
        if self.anchors.ndim != 2 or len(self.anchors) != len(self.class_ids):
            raise InputError(
                f"classifier: anchors {self.anchors.shape} for {len(self.class_ids)} classes; "
                "expected one row for each class."
            )
        if len(set(self.class_ids)) != len(self.class_ids):
            raise InputError("classifier: class ids repeat.")


def write_classifier(path: Path, classifier: Classifier) -> None:
    """Write ``anchors`` [C, d] and, in the metadata, ``class_ids`` as a JSON list."""
    anchors = np.ascontiguousarray(classifier.anchors, dtype=np.float32)
    metadata = {IDS: json.dumps(classifier.class_ids, ensure_ascii=False)}
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file({TENSOR: anchors}, temporary, metadata=metadata)


def read_classifier(path: Path) -> Classifier:
    """The classifier that ``write_classifier`` wrote.

    Raises:
        InputError: no such file, or anchors and ids do not belong together.
    """
    try:
        with safe_open(path, framework="np") as opened:
            anchors = opened.get_tensor(TENSOR)
            class_ids = json.loads((opened.metadata() or {})[IDS])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no classifier ({error!r}); expected safetensors with the tensor {TENSOR} and "
            f"{IDS} in its metadata. Adapt the model again."
        ) from error
    return Classifier(anchors, tuple(class_ids))
