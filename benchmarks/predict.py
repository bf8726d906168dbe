"""``nicheclip predict`` beside the bare loop: decode, resize and encode the same photographs.

    PYTHONPATH=src python benchmarks/predict.py FOLDER [--images 1000] [--architecture ViT-B-32]

Random weights; one thread for each side, which take turns. The bare loop is Pillow, open_clip's own
transform and ``encode_image``. Where a model's data set shrinks its images (``max_side``), predict
does the same first, since a model answers for a photograph as it was judged on it.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from nicheclip.config.data import ImageConfig
from nicheclip.config.models import ModelConfig
from nicheclip.models.openclip import Clip, create, open_clip
from nicheclip.predict.encoder import ImageEncoder
from nicheclip.predict.pictures import find_images
from nicheclip.predict.settings import Settings
from nicheclip.runtime.paths import registry_folder

BATCH, TURNS = 64, 2


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--architecture", default="nicheclip-small")
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = find_images([given.folder]).files[: given.images]
    config = ModelConfig(architecture=given.architecture)
    clip = create(config, seed=0, registry=registry_folder() / "models")
    ways: dict[str, Callable[[], None]] = {
        "bare loop": lambda: _bare(clip, files),
        "predict": lambda: _predict(clip, files, None),
        "predict, max_side 512": lambda: _predict(clip, files, 512),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - began)
    print(f"| {given.architecture}, {len(files)} photographs | CPU s | of the bare loop |")
    print("|---|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} | {seconds / best['bare loop']:.3f} |")


def _predict(clip: Clip, files: list[Path], max_side: int | None) -> None:
    settings = Settings(device="cpu", batch_size=BATCH, threads=1)
    for _ in ImageEncoder(clip, ImageConfig(max_side=max_side), settings).batches(files):
        pass


@torch.inference_mode()
def _bare(clip: Clip, files: list[Path]) -> None:
    wanted = open_clip.transform.PreprocessCfg(**clip.model.visual.preprocess_cfg)
    transform = open_clip.transform.image_transform_v2(wanted, is_train=False)
    for start in range(0, len(files), BATCH):
        images = [transform(Image.open(file)) for file in files[start : start + BATCH]]
        clip.model.encode_image(torch.stack(images), normalize=True)


if __name__ == "__main__":
    main()
