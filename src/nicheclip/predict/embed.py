"""Features of images as a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from nicheclip.models.features import Array
from nicheclip.predict.choice import image_config
from nicheclip.predict.encoder import ImageEncoder
from nicheclip.predict.open_model import open_model
from nicheclip.predict.pictures import find_images
from nicheclip.predict.settings import Settings
from nicheclip.runtime.csv_file import write_csv
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path, check_writable, write_parquet
from nicheclip.runtime.progress import progress

#: what can be written
SUFFIXES = (".parquet", ".npy")


def embed_images(
    model: str, names: Sequence[str], output: Path, settings: Settings
) -> dict[str, str]:
    """Write the features of images, rows of length 1, in the order of the files.

    Args:
        model: as ``open_model`` takes it.
        names: as ``find_images`` takes them.
        output: ``.parquet``: columns file and feature; ``.npy``: float32 [n, d], with the files in
            a ``.csv`` of the same name.
        settings: of the computation.

    Returns:
        Why images could not be read, by file; they have no row.

    Raises:
        InputError: no model, no image, or another suffix.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(f"--output {output}: expected a file .parquet or .npy.")
    found = find_images(names)
    check_writable(output)
    opened = open_model(model, settings.registry)
    encoder = ImageEncoder(opened.clip, image_config(opened, settings), settings)
    problems, files, parts = dict(found.problems), [], []
    batches = encoder.batches(found.files)
    total = -(-len(found.files) // settings.batch_size)
    waiting = iter(found.files)
    for reasons, features in progress(batches, label="embed (batches)", total=total):
        for reason, file in zip(reasons, waiting, strict=False):
            if reason:
                problems[str(file)] = reason
            else:
                files.append(str(file))
        parts.append(features)
    if not files:
        name, reason = next(iter(problems.items()))
        raise InputError(
            f"{output}: not written, since no image could be read, for example {name}: {reason}."
        )
    _write(output, files, [part for part in parts if len(part)])
    return problems


def _write(output: Path, files: list[str], parts: list[Array]) -> None:
    features = np.concatenate(parts)
    if output.suffix.lower() == ".npy":
        with atomic_path(output) as temporary, temporary.open("wb") as file:
            np.save(file, features)
        write_csv(output.with_suffix(".csv"), [["file"], *([one] for one in files)])
        return
    flat = pa.array(features.ravel(), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    write_parquet(output, pa.table({"file": files, "feature": column}))
