"""What mixed precision does to accuracy: a finished run's models, encoded again.

    PYTHONPATH=src python benchmarks/precision.py RESULTS [--dataset arbor] [--split test]

RESULTS is the folder ``results`` of a run, such as the demo's. Each trained model of it encodes the
images of the split and the class names of their data set in float32 and in bfloat16 (autocast), one
after the other, and answers with the nearest class.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.predictions import Predictions, read_classes, read_labels
from nicheclip.evaluation.protocols.zero_shot import zero_shot
from nicheclip.models.encode import ClipEncoder
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import ImageFeatures
from nicheclip.models.openclip import Clip, load
from nicheclip.subjects import CONFIG_FILE, WEIGHTS_FILE


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--dataset", default="arbor")
    parser.add_argument("--split", default="test")
    parser.add_argument("--name", default="species", help="the column with the classes' names")
    given = parser.parse_args()
    torch.set_num_threads(1)
    acquired = given.results / "acquire" / given.dataset
    images = ImageSet(acquired / given.split)
    labels = read_labels(acquired / "catalog.parquet", given.split)
    classes = read_classes(acquired / "classes.parquet")
    names = [f"a photo of {one}." for one in classes[given.name].to_list()]
    print(
        "| model | images | top-1, float32 | top-1, bfloat16 | other answers | largest difference "
        "of a feature | CPU s, float32 | CPU s, bfloat16 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for folder in sorted(path.parent for path in (given.results / "models").glob(_MODELS)):
        if not (folder / WEIGHTS_FILE).is_file():
            continue
        clip = load(folder)
        ids = classes["class_id"].to_list()
        (exact, first, seconds), (mixed, second, others) = (
            _answers(clip, images, labels, ids, names, precision)
            for precision in ("float32", "bfloat16")
        )
        changed = sum(a != b for a, b in zip(first.best, second.best, strict=True))
        print(
            f"| {folder.parent.name} | {len(images)} | {first.correct().mean():.4f} | "
            f"{second.correct().mean():.4f} | {changed} | "
            f"{np.abs(exact.features - mixed.features).max():.1e} | {seconds:.1f} | {others:.1f} |",
            flush=True,
        )


_MODELS = f"trained/*/seed0/{CONFIG_FILE}"


def _answers(
    clip: Clip,
    images: ImageSet,
    labels: dict[str, str],
    ids: list[str],
    names: list[str],
    precision: str,
) -> tuple[ImageFeatures, Predictions, float]:
    """Features, answers, and the seconds of the processor that encoding took."""
    encoder = ClipEncoder(clip, EncodeSettings(batch_size=64, device="cpu", precision=precision))
    began = time.process_time()
    features, texts = encoder.images(images), encoder.texts(names).features
    used = time.process_time() - began
    found = zero_shot(features, labels, ids, texts, logit_scale=encoder.logit_scale)
    return features, found, used


if __name__ == "__main__":
    main()
