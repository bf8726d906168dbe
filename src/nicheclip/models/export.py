"""Write a whole model folder in open_clip's layout from a delta, for other people's tools.

``python -m nicheclip.models.export FOLDER OUTPUT``; then
``open_clip.create_model_and_transforms("local-dir:OUTPUT")`` loads it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nicheclip.models.deltas import is_delta, write_weights
from nicheclip.models.fusion import FusedModel
from nicheclip.models.openclip import load, save_tokenizer
from nicheclip.models.visual_prompts import PROMPTS
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, write_bytes, write_json
from nicheclip.subjects import CLASSIFIER_FILE, CONFIG_FILE, MODEL_FILES, WEIGHTS_FILE


def export(folder: Path, output: Path) -> list[Path]:
    """Write the model in ``folder`` as a whole folder in open_clip's layout; returns the files.

    The bytes are those that ``models.openclip.save`` would write. Class anchors go along.

    Raises:
        InputError: as ``models.openclip.load``, or ``output`` holds a delta, the image tower has
            prompts, or the model sees with two towers.
    """
    if is_delta(output):
        raise InputError(f"{output}: holds a delta; export to another folder.")
    clip = load(folder)
    tensors = clip.tensors()
    if isinstance(clip.model, FusedModel):
        raise InputError(
            f"{folder}: sees with two towers (fusion), which open_clip does not know. Export the "
            "aligned model and the CLIP each by itself."
        )
    if PROMPTS in tensors:
        raise InputError(
            f"{folder}: its image tower has prompts beside the patches (LaFTer), which open_clip "
            "does not know. Read it with nicheclip.models.openclip.load."
        )
    write_weights(output / WEIGHTS_FILE, tensors)
    save_tokenizer(clip, output)
    write_json(output / CONFIG_FILE, read_json(folder / CONFIG_FILE))
    names = list(MODEL_FILES)
    if (folder / CLASSIFIER_FILE).is_file():
        write_bytes(output / CLASSIFIER_FILE, (folder / CLASSIFIER_FILE).read_bytes())
        names.append(CLASSIFIER_FILE)
    return [output / name for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.models.export", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="a model folder, whole or a delta")
    parser.add_argument("output", type=Path, help="the folder to write")
    options = parser.parse_args(arguments)
    try:
        files = export(options.folder, options.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(*files, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
