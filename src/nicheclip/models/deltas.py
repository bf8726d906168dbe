"""Model folders that hold only what differs from another one, their base.

A whole folder of a ViT-B/32 is 605 MB, and most methods of adaptation change little of the model.
An adapted subject's folder holds instead:

``open_clip_config.json``  the model's own, as in a whole folder
``changed.safetensors``    the tensors that the base lacks or that differ from it in any bit
``subject.json``           ``Delta``: the base's folder, relative to this one, and its checksums
``classifier.safetensors`` optional: class anchors (see ``models.classifier``)

The base is always a whole folder: a delta against a delta refers to the base of the latter.
``models.openclip.load`` reads both kinds of folder. ``python -m nicheclip.models.export FOLDER
OUTPUT`` writes a whole one with the same bytes as ``models.openclip.save``. Folders may be moved
together; a base that was moved away or has changed is an error, never another model.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict

from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path, read_json, sha256_file, write_json
from nicheclip.runtime.finite import not_finite
from nicheclip.subjects import (
    CONFIG_FILE,
    DELTA_FILE,
    DELTA_FILES,
    FUSION_FILE,
    MODEL_FILES,
    SUBJECT_FILE,
    WEIGHTS_FILE,
)

if TYPE_CHECKING:
    from nicheclip.models.openclip import Clip

FORMAT = 1

#: what to do about a model folder that is damaged
AGAIN = "Delete the folder and make the model again, or copy it again from where it is whole."

Tensors = dict[str, torch.Tensor]


class Delta(BaseModel):
    """The content of ``subject.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    base: str
    """Folder of the base, relative to the delta's."""
    base_weights: str
    """sha256 of the base's ``open_clip_model.safetensors``."""
    base_config: str
    """sha256 of the base's ``open_clip_config.json``."""
    changed: str
    """sha256 of ``changed.safetensors``."""
    removed: tuple[str, ...] = ()
    """Tensors of the base that this model lacks."""


def is_delta(folder: Path) -> bool:
    """Whether ``folder`` holds a delta."""
    return (folder / SUBJECT_FILE).is_file()


def model_files(folder: Path) -> list[Path]:
    """The files that the model in ``folder`` consists of, the base of a delta left out."""
    names = DELTA_FILES if is_delta(folder) else MODEL_FILES
    fused = (folder / FUSION_FILE).is_file()
    return [folder / name for name in (*names, *([FUSION_FILE] if fused else []))]


def check_model_folder(folder: Path) -> None:
    """Raise InputError if a file of the model in ``folder`` is missing."""
    for file in model_files(folder):
        if not file.is_file():
            raise InputError(
                f"{folder}: no {file.name}; expected a model folder in open_clip's layout, or a "
                f"delta ({', '.join(DELTA_FILES)})."
            )


def save_delta(clip: "Clip", base: Path, output: Path) -> list[Path]:
    """Write to ``output`` what of ``clip`` differs from the model in ``base``.

    Args:
        clip: the changed model.
        base: model folder, whole or a delta.
        output: receives the delta.

    Returns:
        The files. Same weights and base, same bytes.

    Raises:
        InputError: ``base`` is not a model folder, or a delta that cannot be read; or ``output``
            holds a whole model, which may be somebody's base.
    """
    base = base_of(base) if is_delta(base) else base
    check_model_folder(base)
    if (output / WEIGHTS_FILE).is_file():
        raise InputError(f"{output}: holds a whole model; write the delta to another folder.")
    before, after = read_tensors(base), clip.tensors()
    changed = {
        name: tensor
        for name, tensor in after.items()
        if name not in before or not same_bits(tensor, before[name])
    }
    write_weights(output / DELTA_FILE, changed)
    write_json(output / CONFIG_FILE, clip.folder_config())
    delta = Delta(
        base=Path(os.path.relpath(base.resolve(), output.resolve())).as_posix(),
        base_weights=sha256_file(base / WEIGHTS_FILE),
        base_config=sha256_file(base / CONFIG_FILE),
        changed=sha256_file(output / DELTA_FILE),
        removed=tuple(sorted(before.keys() - after.keys())),
    )
    write_json(output / SUBJECT_FILE, delta.model_dump(mode="json"))  # last: it makes a delta of it
    return [output / name for name in DELTA_FILES]


def read_delta(folder: Path) -> Delta:
    """The record of the delta in ``folder``.

    Raises:
        InputError: there is none that can be read, or it has another format.
    """
    file = folder / SUBJECT_FILE
    with reading(file, "the record of a delta", "Write the delta again."):
        values: Any = read_json(file)
        if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
            raise InputError(
                f"{file}: format {values['format']}, expected {FORMAT}. Write the delta again with "
                "this version, or read it with the one that wrote it."
            )
        return Delta.model_validate(values)


def base_of(folder: Path) -> Path:
    """The base of the delta in ``folder``.

    Raises:
        InputError: it is not there.
    """
    base = Path(os.path.normpath(folder.resolve() / read_delta(folder).base))
    for name in MODEL_FILES:
        if not (base / name).is_file():
            raise InputError(
                f"{folder}: its base {base} has no {name}. A delta is read together with its base: "
                "make the base again, or move both folders together."
            )
    return base


def read_tensors(folder: Path) -> Tensors:
    """The tensors of the model in ``folder``, whole or a delta, on the CPU.

    Raises:
        InputError: a file is missing or damaged, or the base is missing or another.
    """
    if not is_delta(folder):
        return _read(folder / WEIGHTS_FILE)
    delta, base = _checked(folder)
    tensors = _read(base / WEIGHTS_FILE) | _read(folder / DELTA_FILE)
    return {name: tensor for name, tensor in tensors.items() if name not in delta.removed}


def _checked(folder: Path) -> tuple[Delta, Path]:
    """The record and the base of the delta in ``folder``, after their checksums."""
    check_model_folder(folder)
    delta, base = read_delta(folder), base_of(folder)
    if sha256_file(folder / DELTA_FILE) != delta.changed:
        raise InputError(
            f"{folder / DELTA_FILE}: damaged (its checksum is not the one in {SUBJECT_FILE}). "
            "Write the delta again."
        )
    for what, name, expected in (
        ("config", CONFIG_FILE, delta.base_config),
        ("weights", WEIGHTS_FILE, delta.base_weights),
    ):
        if sha256_file(base / name) != expected:
            raise InputError(
                f"{folder}: its base {base} has other {what} than when the delta was written. "
                "Write the delta again from today's base, or bring the earlier base back."
            )
    return delta, base


def check_tensors_fit(tensors: Tensors, model: Tensors, folder: Path) -> None:
    """Raise InputError if ``tensors`` of ``folder`` are not, by name and shape, the model's."""
    problems = [f"{name} is missing" for name in sorted(model.keys() - tensors.keys())]
    problems += [f"{name} is not the model's" for name in sorted(tensors.keys() - model.keys())]
    problems += [
        f"{name} is {list(tensors[name].shape)}, the model's {list(model[name].shape)}"
        for name in sorted(tensors.keys() & model.keys())
        if tensors[name].shape != model[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + ("; ..." if len(problems) > 5 else "")
        raise InputError(
            f"{folder}: {len(problems)} tensors do not fit the model of {CONFIG_FILE}: {shown}. "
            "Write the folder again, its config and weights together."
        )


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors on the CPU are the same bit by bit; NaN is the same as NaN."""
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and torch.equal(_bytes(one), _bytes(other))
    )


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def write_weights(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write ``tensors`` as open_clip's folders hold them. Same tensors, same bytes.

    Raises:
        InputError: a number in them is not finite.
    """
    check_finite(path, tensors)
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(dict(tensors), temporary, metadata={"format": "pt"})


def check_finite(source: object, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise InputError if a number in ``tensors`` of ``source`` is not finite."""
    if wrong := not_finite(tensors):
        raise InputError(
            f"{source}: {len(wrong)} of {len(tensors)} tensors, the first {wrong[0]}, hold numbers "
            "that are not finite; expected weights. The model has diverged, or is damaged: make it "
            "again, or take another one."
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The content of the model folder's ``open_clip_config.json``.

    Raises:
        InputError: it cannot be read, or lacks ``model_cfg``.
    """
    with reading(folder / CONFIG_FILE, "JSON with model_cfg", AGAIN):
        config = read_json(folder / CONFIG_FILE)
        parts = {"model_cfg": config["model_cfg"], "preprocess_cfg": config.get("preprocess_cfg")}
        return {name: dict(part or {}) for name, part in parts.items()}


def _read(path: Path) -> Tensors:
    with reading(path, "weights as safetensors", AGAIN):
        return safetensors.torch.load_file(path)
