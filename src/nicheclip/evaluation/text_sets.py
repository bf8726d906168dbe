"""The text side of a subject: text sets as embeddings, and as files."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import safe_open

from nicheclip.evaluation.gallery import Gallery, GalleryItems
from nicheclip.evaluation.text_spaces import GateSpace
from nicheclip.models.features import (
    ENCODE_AGAIN,
    MODEL_AGAIN,
    Array,
    TextFeatures,
    check_numbers,
    keyed,
    l2_normalise,
)
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path

#: n texts to features [n, d] of length 1
TextEncoder = Callable[[Sequence[str]], TextFeatures]

#: texts encoded before they are added up, so that memory does not grow with classes x templates
CHUNK = 16_384


@dataclass(frozen=True)
class ClassEmbeddings:
    """One vector per class."""

    class_ids: list[str]
    """C ids, sorted."""
    embeddings: Array
    """[C, d], each row of length 1."""
    texts: npt.NDArray[np.int64]
    """[C]: how many texts the vector is the mean of."""
    cut: npt.NDArray[np.int64]
    """[C]: how many of them were longer than the model's context."""
    logit_scale: float
    """Of the model: the factor between cosine similarity and logit."""
    spaces: tuple[GateSpace, ...] = ()
    """How the texts of all these classes lie to each other; none where that is not asked."""

    def among(self, class_ids: Sequence[str]) -> "ClassEmbeddings":
        """Those of ``class_ids`` alone, sorted; a part of the classes has no spaces.

        Raises:
            InputError: a class has no text.
        """
        ordered = sorted(class_ids)
        if ordered == self.class_ids:
            return self
        place = {class_id: row for row, class_id in enumerate(self.class_ids)}
        missing = [class_id for class_id in ordered if class_id not in place]
        if missing:
            raise InputError(
                f"class texts: {len(missing)} of {len(ordered)} classes have none: "
                f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. Give them a name "
                "of the text type that the evaluation uses, or captions that pass the gates."
            )
        rows = [place[class_id] for class_id in ordered]
        return ClassEmbeddings(
            ordered, self.embeddings[rows], self.texts[rows], self.cut[rows], self.logit_scale
        )


@dataclass(frozen=True)
class GalleryEmbeddings:
    """One vector per entry of a retrieval gallery."""

    items: GalleryItems
    embeddings: Array
    """[G, d], each row of length 1."""
    cut: int
    """Texts that were longer than the model's context."""
    logit_scale: float


def encode_classes(
    texts: Mapping[str, Sequence[str]], encode: TextEncoder, *, logit_scale: float
) -> ClassEmbeddings:
    """Normalise each text's feature, average by class, normalise again.

    Args:
        texts: those of each class; classes without any are left out.
        encode: gives features of length 1.
        logit_scale: of the model.

    Raises:
        InputError: no class has a text.
    """
    ordered = sorted(class_id for class_id in texts if texts[class_id])
    pairs = [(row, text) for row, class_id in enumerate(ordered) for text in texts[class_id]]
    rows = np.asarray([row for row, _ in pairs], dtype=np.intp)
    sums: npt.NDArray[np.float64] | None = None
    cut = np.zeros(len(ordered), np.int64)
    for start in range(0, len(pairs), CHUNK):
        encoded = encode([text for _, text in pairs[start : start + CHUNK]])
        features = l2_normalise(encoded.features)
        if sums is None:
            sums = np.zeros((len(ordered), features.shape[1]))
        np.add.at(sums, rows[start : start + CHUNK], features)
        np.add.at(cut, rows[start : start + CHUNK], encoded.cut)
    if sums is None:
        raise InputError("class texts: there is no class. Check the data set's classes table.")
    counts = np.bincount(rows, minlength=len(ordered)).astype(np.int64)
    return ClassEmbeddings(ordered, l2_normalise(sums), counts, cut, logit_scale)


def encode_gallery(
    items: GalleryItems, encode: TextEncoder, *, logit_scale: float
) -> GalleryEmbeddings:
    """The features of the gallery's texts."""
    encoded = encode(items.gallery.texts)
    return GalleryEmbeddings(items, encoded.features, int(encoded.cut.sum()), logit_scale)


def write_class_embeddings(path: Path | str, found: ClassEmbeddings, key: str) -> None:
    """Write safetensors: ``embeddings`` [C, d], ``texts`` and ``cut`` [C], ids and, where there are
    some, spaces as JSON bytes.
    """
    tensors: dict[str, npt.NDArray[Any]] = {
        "embeddings": np.ascontiguousarray(found.embeddings),
        "texts": found.texts,
        "cut": found.cut,
        "class_ids": _as_bytes(found.class_ids),
    }
    if found.spaces:
        tensors["spaces"] = _as_bytes([list(astuple(one)) for one in found.spaces])
    _save(path, tensors, key, found.logit_scale)


def write_gallery_embeddings(path: Path | str, found: GalleryEmbeddings, key: str) -> None:
    """Write safetensors: ``embeddings`` [G, d], the entry of each item, lists as JSON bytes."""
    items = found.items
    tensors: dict[str, npt.NDArray[Any]] = {
        "embeddings": np.ascontiguousarray(found.embeddings),
        "cut": np.asarray([found.cut], np.int64),
        "class_ids": _as_bytes(items.gallery.class_ids),
        "texts": _as_bytes(items.gallery.texts),
        "image_ids": _as_bytes(items.image_ids),
        "entries": items.entries,
    }
    _save(path, tensors, key, found.logit_scale)


def read_class_embeddings(path: Path | str) -> ClassEmbeddings:
    """The file that ``write_class_embeddings`` wrote.

    Raises:
        InputError: not such a file.
    """
    names = ("embeddings", "texts", "cut", "class_ids")
    with _reading(path, names):
        tensors, logit_scale = _load(path, names, "spaces")
        class_ids = _as_list(tensors["class_ids"])
        spaces = _as_list(tensors["spaces"]) if "spaces" in tensors else []
        found = tuple(GateSpace(*values) for values in spaces)
    embeddings, texts, cut = (tensors[name] for name in names[:3])
    _check_rows(path, len(class_ids), embeddings, texts, cut)
    return ClassEmbeddings(class_ids, embeddings, texts, cut, logit_scale, found)


def read_gallery_embeddings(path: Path | str) -> GalleryEmbeddings:
    """The file that ``write_gallery_embeddings`` wrote.

    Raises:
        InputError: not such a file.
    """
    names = ("embeddings", "cut", "class_ids", "texts", "image_ids", "entries")
    with _reading(path, names):
        tensors, logit_scale = _load(path, names)
        gallery = Gallery(_as_list(tensors["class_ids"]), _as_list(tensors["texts"]))
        items = GalleryItems(gallery, _as_list(tensors["image_ids"]), tensors["entries"])
        cut = int(tensors["cut"][0])
    _check_rows(path, len(gallery.texts), tensors["embeddings"])
    return GalleryEmbeddings(items, tensors["embeddings"], cut, logit_scale)


def _save(
    path: Path | str, tensors: dict[str, npt.NDArray[Any]], key: str, logit_scale: float
) -> None:
    check_numbers(path, tensors["embeddings"], "features of texts", MODEL_AGAIN)
    tensors = tensors | {"logit_scale": np.asarray([logit_scale])}
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary, metadata=keyed(key, tensors))


def _reading(path: Path | str, names: Sequence[str]) -> AbstractContextManager[None]:
    return reading(path, f"a text set, safetensors with {', '.join(names)}", ENCODE_AGAIN)


def _load(
    path: Path | str, names: Sequence[str], *optional: str
) -> tuple[dict[str, npt.NDArray[Any]], float]:
    with safe_open(path, framework="np") as opened:
        there = [name for name in optional if name in opened.keys()]  # noqa: SIM118
        tensors = {name: opened.get_tensor(name) for name in [*names, *there]}
        return tensors, float(opened.get_tensor("logit_scale")[0])


def _check_rows(
    path: Path | str, rows: int, embeddings: Array, *counts: npt.NDArray[np.int64]
) -> None:
    """Raise InputError unless there is a vector of numbers, and a count, for each of ``rows``."""
    lengths = [len(embeddings), *map(len, counts)]
    if embeddings.ndim != 2 or any(length != rows for length in lengths):
        raise InputError(
            f"{path}: embeddings {embeddings.shape} for {rows} texts or classes; expected one row "
            f"for each. {ENCODE_AGAIN}"
        )
    check_numbers(path, embeddings, "features of texts", ENCODE_AGAIN)


def _as_bytes(values: list[Any]) -> npt.NDArray[np.uint8]:
    # a tensor, because the header of a safetensors file may not exceed 100 MB
    return np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), dtype=np.uint8)


def _as_list(data: npt.NDArray[np.uint8]) -> list[Any]:
    values: list[Any] = json.loads(data.tobytes())
    return values
