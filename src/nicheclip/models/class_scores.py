"""``scores.safetensors``: what an adapted model says of each image, for whoever judges it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path

#: in the folder of an adapted subject
SCORES_FILE = "scores.safetensors"


@dataclass(frozen=True)
class ClassScores:
    """Probabilities of C classes for n images."""

    image_ids: list[str]
    class_ids: list[str]
    probabilities: Array
    """[n, C], float32."""
    batches: list[int] | None = None
    """The batch of each image, where they came in batches; an image may be in several."""


def join_batches(parts: Sequence[ClassScores]) -> ClassScores:
    """One after the other the scores of batches, of the same classes."""
    return ClassScores(
        image_ids=[image for part in parts for image in part.image_ids],
        class_ids=parts[0].class_ids,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        batches=[number for number, part in enumerate(parts) for _ in part.image_ids],
    )


def write_scores(path: Path, scores: ClassScores) -> None:
    """Write ``probabilities`` and, as JSON bytes, both lists of ids. Same scores, same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "probabilities": np.ascontiguousarray(scores.probabilities, dtype=np.float32),
        "image_ids": np.frombuffer(json.dumps(scores.image_ids).encode(), dtype=np.uint8),
        "class_ids": np.frombuffer(json.dumps(scores.class_ids).encode(), dtype=np.uint8),
    }
    if scores.batches is not None:
        tensors["batches"] = np.asarray(scores.batches, dtype=np.int64)
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary)


def read_scores(path: Path) -> ClassScores:
    """The file that ``write_scores`` wrote.

    Raises:
        InputError: no such file, or scores and ids do not belong together.
    """
    try:
        with safe_open(path, framework="np") as opened:
            names = ("probabilities", "image_ids", "class_ids")
            found, images, classes = (opened.get_tensor(name) for name in names)
            in_batches = "batches" in set(opened.keys())
            batches = opened.get_tensor("batches").tolist() if in_batches else None
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: no scores ({error!r}). Add --forcerun adapt to the same command."
        ) from error
    ids = (json.loads(images.tobytes()), json.loads(classes.tobytes()))
    scores = ClassScores(*ids, found, batches)
    expected = (len(scores.image_ids), len(scores.class_ids))
    if found.shape != expected or not np.isfinite(found).all():
        raise InputError(
            f"{path}: scores {found.shape}, some maybe no numbers, for {expected[0]} images and "
            f"{expected[1]} classes. Lower the method's learning rate, or adapt again."
        )
    return scores
