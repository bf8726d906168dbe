"""``pseudo_labels.safetensors``: the label that each fitted image had in each epoch of a method.

A method writes it beside its result and reads no true label; whoever knows the true ones may join
them afterwards by image id.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import safe_open

from nicheclip.runtime.errors import reading
from nicheclip.runtime.files import atomic_path

#: in the folder of an adapted subject
PSEUDO_LABELS_FILE = "pseudo_labels.safetensors"
#: there as well, where it was asked for: the classes that each epoch decided for, of the judged
#: images, in the same form
EPOCH_ANSWERS_FILE = "epoch_answers.safetensors"
#: in the place of a class: the image had no label in that epoch
NO_LABEL = -1


@dataclass(frozen=True)
class PseudoLabels:
    """Of n images in E epochs."""

    image_ids: list[str]
    class_ids: list[str]
    labels: npt.NDArray[np.int32]
    """[E, n]: places in ``class_ids``, or ``NO_LABEL``."""


def write_pseudo_labels(path: Path, found: PseudoLabels) -> None:
    """Write ``labels`` and, as JSON bytes, both lists of ids. Same labels, same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "labels": np.ascontiguousarray(found.labels, dtype=np.int32),
        "image_ids": np.frombuffer(json.dumps(found.image_ids).encode(), dtype=np.uint8),
        "class_ids": np.frombuffer(json.dumps(found.class_ids).encode(), dtype=np.uint8),
    }
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary)


def read_pseudo_labels(path: Path) -> PseudoLabels:
    """The file that ``write_pseudo_labels`` wrote.

    Raises:
        InputError: no such file, or it is damaged.
    """
    with (
        reading(path, "pseudo-labels by epoch", "Adapt the model again."),
        safe_open(path, framework="np") as opened,
    ):
        labels, images, classes = (
            opened.get_tensor(name) for name in ("labels", "image_ids", "class_ids")
        )
    return PseudoLabels(json.loads(images.tobytes()), json.loads(classes.tobytes()), labels)
