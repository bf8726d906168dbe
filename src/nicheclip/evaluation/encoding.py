"""Both sides of a subject on a split: image features and text sets of its variants.

A file is kept as long as what it follows from is the same: its key, a digest of the model, of what
is encoded and of how, is in its metadata. A changed template encodes texts only, an added seed
just that seed, and a job that was killed resumes where it was. No torch here: the model comes as an
``Encoder``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import polars as pl

from nicheclip.config.text_sets import CaptionSet, GallerySet, TemplateSet, TextSet
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.class_texts import (
    ClassTexts,
    caption_texts,
    read_templates,
    refused_texts,
    template_texts,
)
from nicheclip.evaluation.feature_files import image_file, text_file
from nicheclip.evaluation.gallery import GalleryItems, read_gallery
from nicheclip.evaluation.text_sets import (
    encode_classes,
    encode_gallery,
    write_class_embeddings,
    write_gallery_embeddings,
)
from nicheclip.evaluation.text_spaces import ComparedTexts, Remembering
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import ImageFeatures, TextFeatures, read_key, write_features
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.manifest import Dropped, ManifestWriter
from nicheclip.schemas import CATALOG, read_table
from nicheclip.subjects import FUSION_FILE, MODEL_FILES


class Encoder(Protocol):
    """A loaded model."""

    @property
    def logit_scale(self) -> float:
        """The factor between cosine similarity and logit."""

    def images(self, split: ImageSet) -> ImageFeatures:
        """Features of all images, in their order."""

    def texts(self, texts: Sequence[str]) -> TextFeatures:
        """Features of the texts, in their order."""


@dataclass(frozen=True)
class TextSources:
    """The files that texts come from."""

    texts: Path
    """Schema ``TEXTS``."""
    templates: Mapping[str, Path]
    """Files of templates, by name."""
    captions: Mapping[str, Path]
    """Files of schema ``CAPTIONS``, by the name of the caption set."""
    own_captions: Path | None = None
    """Schema ``ROW_CAPTIONS``: those that the split's images carry."""

    @classmethod
    def of(
        cls, texts: str, templates: Sequence[str], captions: Sequence[str], own: Sequence[str]
    ) -> "TextSources":
        """From paths: ``<templates>.yaml``, ``<caption set>/captions.parquet``, and the captions
        of the split's images, one file or none.
        """
        return cls(
            texts=Path(texts),
            templates={Path(path).stem: Path(path) for path in templates},
            captions={Path(path).parent.name: Path(path) for path in captions},
            own_captions=Path(own[0]) if own else None,
        )


@dataclass(frozen=True)
class Method:
    """How features are made, beside the model: part of every key."""

    settings: EncodeSettings
    image_code: str
    """Digest of the code that encodes images."""
    text_code: str
    """Digest of the code that makes text sets."""
    packages: tuple[str, ...] = ()
    """Versions of the libraries that encode."""


@dataclass(frozen=True)
class EncodedFile:
    """One file of features."""

    path: Path
    key: str
    items: int
    """Images or texts that it holds."""
    reused: bool


class EncodingJob:
    """Encodes a split, and its text sets, with the variants of a subject."""

    def __init__(
        self,
        folder: Path,
        *,
        images: ImageSet,
        catalog: Path,
        text_sets: Sequence[TextSet],
        sources: TextSources,
        method: Method,
        open_encoder: Callable[[Path], Encoder],
    ) -> None:
        """Read what is to be encoded.

        Args:
            folder: where the files go.
            images: of the split.
            catalog: schema ``CATALOG``, for the images' content.
            text_sets: what is encoded of texts.
            sources: where their texts are.
            method: how.
            open_encoder: loads the model in a folder; called just where something is to encode.

        Raises:
            InputError: a source is missing or broken.
        """
        self._folder, self._images, self._method = folder, images, method
        self._open_encoder = open_encoder
        self._texts = {one.name: _read_texts(one, sources, images) for one in text_sets}
        self._image_key = _digest(_image_content(images, catalog))
        self._text_keys = {name: _digest(_text_content(t)) for name, t in self._texts.items()}

    def run(self, models: Mapping[str, Path]) -> list[EncodedFile]:
        """Write the files of each variant; remove those of variants and sets not asked for.

        Args:
            models: the model folder of each variant.
        """
        found = [file for variant in models for file in self._encode(variant, models[variant])]
        self._remove_all_but({file.path for file in found})
        return found

    def _encode(self, variant: str, model: Path) -> list[EncodedFile]:
        names = [*MODEL_FILES, *([FUSION_FILE] if (model / FUSION_FILE).is_file() else [])]
        weights = [sha256_file(model / name) for name in names]
        settings = self._method.settings
        how = [*weights, settings.batch_size, settings.device, *self._method.packages]
        if settings.precision != "float32":
            how.append(settings.precision)
        loaded: list[Encoder] = []

        def encoder() -> Encoder:
            if not loaded:
                loaded.append(self._open_encoder(model))
            return loaded[0]

        path = image_file(self._folder, variant)
        key = _digest(["images", self._method.image_code, *how, self._image_key])
        reused = read_key(path) == key
        if not reused:
            write_features(path, encoder().images(self._images), key)
        files = [EncodedFile(path, key, len(self._images), reused)]
        for name, texts in self._texts.items():
            path = text_file(self._folder, variant, name)
            key = _digest(["texts", self._method.text_code, *how, self._text_keys[name]])
            reused = read_key(path) == key
            if not reused:
                _write_texts(path, texts, encoder(), key)
            files.append(EncodedFile(path, key, _count(texts), reused))
        return files

    def _remove_all_but(self, kept: set[Path]) -> None:
        for pattern in ("*/images.safetensors", "*/texts/*.safetensors"):
            for path in self._folder.glob(pattern):
                if path not in kept:
                    path.unlink()
        for pattern in ("*/texts", "*"):
            for folder in self._folder.glob(pattern):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


def write_manifest(writer: ManifestWriter, path: Path, files: Sequence[EncodedFile]) -> None:
    """Write the manifest of the files beside it: which there are, and which were kept."""
    kept = [file.path.relative_to(path.parent).as_posix() for file in files if file.reused]
    writer.write(
        path,
        outputs=[file.path for file in files],
        counts={
            "files": len(files),
            "reused": len(kept),
            "encoded": sum(file.items for file in files if not file.reused),
        },
        noted=[Dropped(key=name, reason="reused") for name in kept],
    )


_Texts = GalleryItems | ClassTexts


def _read_texts(wanted: TextSet, sources: TextSources, images: ImageSet) -> _Texts:
    match wanted:
        case TemplateSet():
            templates = read_templates(sources.templates[wanted.templates])
            return ClassTexts(template_texts(sources.texts, wanted.text_type, templates), {})
        case CaptionSet():
            captions = sources.captions[wanted.captions]
            return ClassTexts(caption_texts(captions, wanted.split), refused_texts(captions))
        case GallerySet():
            return read_gallery(images, sources.own_captions)


def _write_texts(path: Path, texts: _Texts, encoder: Encoder, key: str) -> None:
    scale = encoder.logit_scale
    if isinstance(texts, GalleryItems):
        gallery = encode_gallery(texts, encoder.texts, logit_scale=scale)
        write_gallery_embeddings(path, gallery, key)
    else:
        compared = ComparedTexts(texts.accepted, texts.refused)
        encode = Remembering(encoder.texts, compared.texts)
        found = encode_classes(texts.accepted, encode, logit_scale=scale)
        write_class_embeddings(path, replace(found, spaces=compared.spaces(encode)), key)


def _count(texts: _Texts) -> int:
    if isinstance(texts, GalleryItems):
        return len(texts.gallery.texts)
    accepted = sum(len(some) for some in texts.accepted.values())
    return accepted + sum(len(some) for some in texts.refused.values())


def _image_content(images: ImageSet, catalog: Path) -> list[list[object]]:
    """What the pixels follow from: ids, stored sizes, and the sources' bytes."""
    table = pl.from_arrow(read_table(catalog, CATALOG))
    assert isinstance(table, pl.DataFrame)
    facts = table.select("image_id", "sha256", "width", "height")
    stored = pl.DataFrame({"image_id": images.image_ids, "size": images.encoded_sizes})
    joined = stored.join(facts, on="image_id", how="left", maintain_order="left")
    return [column.to_list() for column in joined.get_columns()]


def _text_content(texts: _Texts) -> list[object]:
    if isinstance(texts, GalleryItems):
        gallery = texts.gallery
        return [gallery.class_ids, gallery.texts, texts.image_ids, texts.entries.tolist()]
    own = texts.accepted
    return [*([class_id, own[class_id]] for class_id in sorted(own)), dict(texts.refused)]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
