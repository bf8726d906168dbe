"""The classes as vectors, kept on disk by what they follow from: the next call need not encode."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from nicheclip.evaluation.text_sets import (
    ClassEmbeddings,
    encode_classes,
    read_class_embeddings,
    write_class_embeddings,
)
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import read_key
from nicheclip.models.openclip import Clip
from nicheclip.runtime.errors import InputError

#: fewer texts are encoded faster than a model is told from another
WORTH_KEEPING = 256


def cache_folder() -> Path:
    """Where embeddings are kept: ``$XDG_CACHE_HOME/nicheclip``, or ``~/.cache/nicheclip``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nicheclip"


def class_embeddings(
    clip: Clip,
    texts: Mapping[str, Sequence[str]],
    *,
    batch_size: int,
    device: str,
    cache: Path | None,
    worth_keeping: int = WORTH_KEEPING,
) -> ClassEmbeddings:
    """One vector for each class: the mean of the features of its texts.

    Args:
        clip: the model.
        texts: of each class.
        batch_size: texts that are encoded at once.
        device: ``cpu``, ``cuda``, ...
        cache: where they are kept; None keeps nothing.
        worth_keeping: texts from which on they are kept.
    """

    def encoded() -> ClassEmbeddings:
        return encode_classes(
            texts,
            lambda some: encode_texts(clip, some, EncodeSettings(batch_size, device)),
            logit_scale=clip.logit_scale,
        )

    if cache is None or sum(map(len, texts.values())) < worth_keeping:
        return encoded()
    key = _key(clip, texts, device)
    path = cache / "classes" / f"{key[:32]}.safetensors"
    try:
        if read_key(path) == key:
            return read_class_embeddings(path)
    except OSError:  # a folder without permission: nothing is kept
        return encoded()
    found = encoded()
    with suppress(OSError, InputError):  # nor where it cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
        write_class_embeddings(path, found, key)
    return found


def _key(clip: Clip, texts: Mapping[str, Sequence[str]], device: str) -> str:
    """Of the text tower's weights, the texts and the libraries."""
    digest = hashlib.sha256()
    for name, tensor in sorted(clip.tensors().items()):
        if "visual." not in name:
            digest.update(name.encode())
            digest.update(tensor.numpy().tobytes())
    how = [version("open_clip_torch"), version("torch"), device, clip.model_config["text_cfg"]]
    content = [how, sorted((class_id, list(some)) for class_id, some in texts.items())]
    digest.update(json.dumps(content, default=str).encode())
    return digest.hexdigest()
