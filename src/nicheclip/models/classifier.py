"""``classifier.safetensors``: the classes of an adapted model as anchors among image features.

Beside a model folder it says how the model classifies: an image belongs to the class whose anchor
has the largest dot product with the image's feature; the softmax of ``logit_scale`` times these
products gives the probabilities. Needs no torch.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import safe_open

from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path

TENSOR = "anchors"
IDS = "class_ids"
NAMES = "class_names"
LOGIT_SCALE = "logit_scale"


@dataclass(frozen=True)
class Classifier:
    """An anchor for each of C classes."""

    anchors: Array
    """[C, d], float32, each row of length 1."""
    class_ids: tuple[str, ...]
    """C ids, in the order of the rows."""
    logit_scale: float
    """The factor between dot product and logit."""
    class_names: tuple[str, ...] = ()
    """C names, in the same order, for people; empty: the ids serve."""

    def __post_init__(self) -> None:
        """Raise InputError if anchors and ids do not belong together, or a number is no number."""
        if self.anchors.ndim != 2 or len(self.anchors) != len(self.class_ids):
            raise InputError(
                f"classifier: anchors {self.anchors.shape} for {len(self.class_ids)} classes; "
                "expected one row for each class."
            )
        if len(set(self.class_ids)) != len(self.class_ids):
            raise InputError("classifier: class ids repeat.")
        if self.class_names and len(self.class_names) != len(self.class_ids):
            raise InputError(
                f"classifier: {len(self.class_names)} names for {len(self.class_ids)} classes; "
                "expected one for each, or none."
            )
        if not (np.isfinite(self.anchors).all() and 0 < self.logit_scale < math.inf):
            raise InputError(
                f"classifier: logit scale {self.logit_scale}, or an anchor, is not a finite number "
                "(the scale: above 0). The adaptation has diverged; lower its learning rate."
            )


def write_classifier(path: Path, classifier: Classifier) -> None:
    """Write ``anchors`` float32 [C, d], ``logit_scale`` float64 [1], as JSON bytes ``class_ids``
    and ``class_names``, if there are any.

    Same classifier, same bytes: all are tensors, since safetensors does not order its metadata.
    """
    tensors: dict[str, npt.NDArray[Any]] = {
        TENSOR: np.ascontiguousarray(classifier.anchors, dtype=np.float32),
        LOGIT_SCALE: np.asarray([classifier.logit_scale], dtype=np.float64),
        IDS: _json(classifier.class_ids),
    }
    if classifier.class_names:
        tensors[NAMES] = _json(classifier.class_names)
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary)


def read_classifier(path: Path) -> Classifier:
    """The classifier that ``write_classifier`` wrote.

    Raises:
        InputError: no such file, or anchors and ids do not belong together.
    """
    expected = f"a classifier, safetensors with the tensors {TENSOR}, {LOGIT_SCALE} and {IDS}"
    with (
        reading(path, expected, "Adapt the model again."),
        safe_open(path, framework="np") as opened,
    ):
        anchors = opened.get_tensor(TENSOR)
        logit_scale = opened.get_tensor(LOGIT_SCALE).item()
        class_ids, class_names = (_texts(opened, name) for name in (IDS, NAMES))
    return Classifier(anchors, class_ids, logit_scale, class_names)


def _json(texts: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.frombuffer(json.dumps(texts, ensure_ascii=False).encode(), dtype=np.uint8)


def _texts(opened: Any, name: str) -> tuple[str, ...]:
    if name == NAMES and name not in opened.keys():  # noqa: SIM118 - it is no mapping
        return ()
    return tuple(json.loads(opened.get_tensor(name).tobytes()))
