"""A CLIP as two ONNX files, for programs without torch.

``image.onnx``: ``images`` float32 [n, 3, s, s], prepared as ``preprocess.json`` says, to
``features`` [n, d] of length 1; ``text.onnx``: ``tokens`` int64 [n, context] to the same. Needs the
extra ``onnx``.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nicheclip.models.openclip import Clip
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path, write_json
from nicheclip.runtime.library_warnings import without_warnings

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
#: the largest difference of a number of a feature from torch's
TOLERANCE = 1e-4
#: a batch that is traced, and others that the result is compared on
TRACED, COMPARED = 2, (1, 3)


class _ImageTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return normalize(self.model.encode_image(images), dim=-1)


class _TextTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return normalize(self.model.encode_text(tokens), dim=-1)


def export_onnx(clip: Clip, folder: Path) -> list[Path]:
    """Write both towers and ``preprocess.json`` to ``folder``, and compare them with ``clip``.

    Returns:
        The files.

    Raises:
        InputError: the extra is not installed, a tower cannot be traced, or its features differ by
            more than ``TOLERANCE``.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(
            f"--onnx: {', '.join(missing)} not installed. Install the extra onnx: pip install -c "
            "constraints.txt -e '.[onnx]'"
        )
    folder.mkdir(parents=True, exist_ok=True)
    model = clip.model.cpu().eval()
    views = ViewSettings.of(clip)
    images = torch.rand(max(COMPARED), 3, *views.size, generator=torch.Generator().manual_seed(0))
    tokens = clip.tokenizer(["a photo of a heron.", "a swan", "the third text, which is longer"])
    found = [folder / "image.onnx", folder / "text.onnx", folder / "preprocess.json"]
    for path, tower, example, name in (
        (found[0], _ImageTower(model).eval(), images, "images"),
        (found[1], _TextTower(model).eval(), tokens, "tokens"),
    ):
        with atomic_path(path) as temporary:
            _write(tower, example[:TRACED], name, temporary)
            _compare(tower, example, name, temporary, path)
    facts = {
        "image_size": list(views.size),
        "mean": list(views.mean),
        "std": list(views.std),
        "interpolation": views.interpolation,
        "resize_mode": views.resize_mode,
        "context_length": clip.context_length,
        "logit_scale": clip.logit_scale,
    }
    write_json(found[2], facts)
    return found


def _write(tower: nn.Module, example: Tensor, name: str, path: Path) -> None:
    try:
        with without_warnings():
            program = torch.onnx.export(
                tower,
                (example,),
                dynamo=True,
                input_names=[name],
                output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                verbose=False,
            )
            assert program is not None
            program.save(str(path), external_data=False)
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as error:
        raise InputError(
            f"--onnx: the tower of {name} cannot be traced ({str(error).splitlines()[0]:.200}). "
            "Export the model as a folder (--hub --dry-run) and use open_clip."
        ) from error


@torch.inference_mode()
def _compare(tower: nn.Module, example: Tensor, name: str, path: Path, shown: Path) -> None:
    """Raise InputError if the file gives other features than the tower."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in COMPARED:
        batch = example[:count]
        (found,) = session.run(None, {name: batch.numpy()})
        off = float(np.abs(found - tower(batch).numpy()).max())
        if not off <= TOLERANCE:
            raise InputError(
                f"{shown}: its features differ from the model's by {off:.2g}; expected at most "
                f"{TOLERANCE}. Another version of onnxscript or torch may do better."
            )
