"""Features as arrays, and image features as files; needs no torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path

Array = npt.NDArray[np.float32]

#: what to do about missing or damaged features; a file that is whole is kept
ENCODE_AGAIN = "Delete the file and add --forcerun encode to the same command."

#: what to do about a stored image that is damaged
IMAGES_AGAIN = (
    "Run the acquire stage of this data set again (delete its folder in results/acquire)."
)

#: what to do about a model whose features are no numbers
MODEL_AGAIN = "The model has diverged or its weights are damaged: make it again."

#: hex digits of an image id
ID_LENGTH = 16


@dataclass(frozen=True)
class ImageFeatures:
    """Features of n images."""

    features: Array
    """[n, d], float32, each row of length 1."""
    image_ids: list[str]
    """n ids, in the order of the rows."""

    def rows(self, image_ids: list[str]) -> Array:
        """The features of ``image_ids``, in that order [len, d].

        Raises:
            InputError: an id has no features.
        """
        place = {image_id: row for row, image_id in enumerate(self.image_ids)}
        missing = [image_id for image_id in image_ids if image_id not in place]
        if missing:
            raise InputError(
                f"{len(missing)} images, the first {missing[0]}, have no features. {ENCODE_AGAIN}"
            )
        return self.features[[place[image_id] for image_id in image_ids]]


@dataclass(frozen=True)
class TextFeatures:
    """Features of n texts."""

    features: Array
    """[n, d], float32, each row of length 1."""
    cut: npt.NDArray[np.bool_]
    """[n]: longer than the model's context, so that the end was lost."""


def l2_normalise(vectors: npt.NDArray[Any]) -> Array:
    """Rows of ``vectors`` [n, d] divided by their Euclidean length; rows of zeros stay zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return (vectors / np.where(lengths == 0, 1, lengths)[:, None]).astype(np.float32)


def write_features(path: Path | str, images: ImageFeatures, key: str | None = None) -> None:
    """Write ``features`` [n, d] and ``image_ids`` uint8 [n, 16] (ASCII) as safetensors.

    Args:
        path: written.
        images: what is written.
        key: of everything that the features follow from; ``read_key`` reads it.

    Raises:
        InputError: an image id is none, or a feature is no finite number.
    """
    check_numbers(path, images.features, "features of images", MODEL_AGAIN)
    wrong = [i for i in images.image_ids if len(i) != ID_LENGTH or not i.isascii()]
    if wrong:
        raise InputError(f"{path}: image id {wrong[0]!r} is not {ID_LENGTH} hex digits.")
    ids = np.frombuffer("".join(images.image_ids).encode("ascii"), dtype=np.uint8)
    tensors: dict[str, npt.NDArray[Any]] = {
        "features": np.ascontiguousarray(images.features, dtype=np.float32),
        "image_ids": ids.reshape(-1, ID_LENGTH).copy(),
    }
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary, metadata=keyed(key, tensors))


def check_numbers(path: Path | str, vectors: Array, what: str, remedy: str) -> None:
    """Raise InputError if a row of ``vectors`` [n, d], which are ``what``, is not finite."""
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~np.isfinite(vectors.sum(axis=1, dtype=np.float64)))
    if len(wrong):
        raise InputError(
            f"{path}: {len(wrong)} of {len(vectors)} {what} are not finite numbers, the first in "
            f"row {wrong[0]}. {remedy}"
        )


def read_key(path: Path | str) -> str | None:
    """The key of a features file; None where there is no whole file or no key in it.

    All tensors are read: a file whose content is not what was written has no key.
    """
    try:
        with safe_open(path, framework="np") as opened:
            written = (opened.metadata() or {}).get("key", "")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    key = written.rpartition(" ")[0]
    return key if key and keyed(key, tensors) == {"key": written} else None


def keyed(key: str | None, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, str] | None:
    """The metadata of a file: its key, and a digest of its content, in the one entry "key".

    One, since the library writes several in any order.
    """
    if not key:
        return None
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return {"key": f"{key} {digest.hexdigest()}"}


def read_features(path: Path | str) -> ImageFeatures:
    """The features that ``write_features`` wrote.

    Raises:
        InputError: not such a file, its two tensors do not belong together, or a feature is no
            finite number.
    """
    expected = "a features file, safetensors with the tensors features and image_ids"
    with reading(path, expected, ENCODE_AGAIN):
        tensors = safetensors.numpy.load_file(path)
        features, ids = tensors["features"], tensors["image_ids"]
        text = ids.tobytes().decode("ascii")
    if features.ndim != 2 or ids.shape != (len(features), ID_LENGTH):
        raise InputError(
            f"{path}: features {features.shape} and image_ids {ids.shape} do not match; expected "
            f"[n, d] and [n, {ID_LENGTH}]. {ENCODE_AGAIN}"
        )
    check_numbers(path, features, "features of images", ENCODE_AGAIN)
    image_ids = [text[i : i + ID_LENGTH] for i in range(0, len(text), ID_LENGTH)]
    return ImageFeatures(features, image_ids)
