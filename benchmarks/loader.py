"""Reading of training batches beside webdataset and Pillow as open_clip sets them up, on one core.

``PYTHONPATH=src python benchmarks/loader.py`` prints two tables. Images are noise with the spectrum
of photographs, 500 x 375 pixels, JPEG of quality 90; views are random crops of 224 x 224 pixels.
All is measured in one process and thread, in turns, by the processor's time, so that others on the
machine do not count; the fastest turn counts.

``of the peer`` is against the whole of webdataset's pipeline. The second table says what a step
costs, each way that was tried.
"""

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import simplejpeg
import torch
import webdataset as wds
from open_clip.transform import AugmentationCfg, PreprocessCfg, image_transform_v2
from PIL import Image
from torch.nn import functional
from train_step import caption, store

from nicheclip.config.training import AugmentConfig, TextConfig
from nicheclip.engine.loading import load_batches
from nicheclip.engine.sampling import Sampling
from nicheclip.models.views import ViewSettings, random_view
from nicheclip.runtime.seeding import generator
from nicheclip.training.data import TrainingData
from nicheclip.training.pair_reader import PairReader

IMAGES, BATCH, TURNS = 96, 32, 8
WIDTH, HEIGHT, EDGE, QUALITY = 500, 375, 224, 90
#: a crop of 0.9 of the image, as the tables of steps cut it
BOX = (13, 9, 487, 365)
#: rows of the second table that the reader is compared with
DECODE = "decode: simplejpeg"
REDUCED = "decode: simplejpeg at 5/8 (the least that the crop needs)"
VIEW = "both: as the reader, its draws included"


def photograph(number: int) -> bytes:
    """Noise whose amplitude falls with the frequency, as in photographs."""
    random = np.random.default_rng(number)
    across, down = np.fft.fftfreq(WIDTH)[None], np.fft.fftfreq(HEIGHT)[:, None]
    frequency = np.maximum(np.hypot(across, down), 1 / WIDTH)
    layers = []
    for _ in range(3):
        spectrum = np.fft.fft2(random.normal(size=(HEIGHT, WIDTH))) / frequency**1.45
        layer = np.fft.ifft2(spectrum).real
        layers.append((layer - layer.mean()) / layer.std() * 45 + 120)
    pixels = np.clip(np.stack(layers, axis=2), 0, 255).astype(np.uint8)
    # the colours of photographs differ less than their brightness
    grey = pixels.mean(axis=2, keepdims=True)
    encoded = io.BytesIO()
    mixed = Image.fromarray((0.7 * grey + 0.3 * pixels).astype(np.uint8))
    mixed.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def peer(folder: Path, tokenizer: Any) -> Callable[[], int]:
    """A pass of open_clip's pipeline (``open_clip_train.data.get_wds_dataset``) over the images."""
    transform = image_transform_v2(
        PreprocessCfg(size=EDGE), is_train=True, aug_cfg=AugmentationCfg()
    )
    pipeline = wds.DataPipeline(
        wds.SimpleShardList(str(folder / "peer.tar")),
        wds.tarfile_to_samples(),
        wds.shuffle(bufsize=5000, initial=1000),
        wds.decode("pilrgb"),
        wds.rename(image="jpg;png;jpeg;webp", text="txt"),
        wds.map_dict(image=transform, text=lambda text: tokenizer(text)[0]),
        wds.to_tuple("image", "text"),
        wds.batched(BATCH),
    )
    return lambda: sum(len(images) for images, _ in pipeline)


def ours(data: TrainingData, tokenizer: Any, *, new_texts: bool) -> Callable[[], int]:
    """An epoch of the reader that trains; with ``new_texts`` it has seen no text before."""
    pairs = data.pairs("train")
    views = ViewSettings((EDGE, EDGE), open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)

    def new_reader() -> PairReader:
        return PairReader(
            *(pairs.images, pairs.labels, pairs.texts, views, tokenizer),
            *(TextConfig(), AugmentConfig(), 0),
        )

    reader = new_reader()
    sampling = Sampling(tuple(pairs.images.tar_sizes), BATCH, 0)

    def epoch() -> int:
        plans = sampling.plans(0, sampling.batches)
        one = new_reader() if new_texts else reader
        return sum(len(batch["images"]) for _, batch in load_batches(one, plans, workers=0))

    return epoch


def scaled(eighths: int) -> Callable[[bytes], Any]:
    """libjpeg-turbo at so many eighths of the size."""
    least = {"min_height": HEIGHT * eighths // 8, "min_width": WIDTH * eighths // 8}
    return lambda jpg: simplejpeg.decode_jpeg(jpg, **least)


def by_pillow(jpg: bytes) -> Image.Image:
    """The image, as torchvision and webdataset open it."""
    return Image.open(io.BytesIO(jpg)).convert("RGB")


def draft(jpg: bytes) -> Image.Image:
    """Pillow's half scale."""
    image = Image.open(io.BytesIO(jpg))
    image.draft("RGB", (WIDTH // 2, HEIGHT // 2))
    image.load()
    return image


def pillow_crop(image: Image.Image) -> Any:
    """A crop as Pillow resizes it."""
    cut = image.resize((EDGE, EDGE), Image.Resampling.BICUBIC, box=BOX)
    return np.asarray(cut).transpose(2, 0, 1)


def torch_crop(pixels: Any) -> Any:
    """A crop as torch resizes it."""
    left, top, right, bottom = BOX
    part = torch.from_numpy(pixels[top:bottom, left:right]).permute(2, 0, 1)[None]
    return functional.interpolate(part, (EDGE, EDGE), mode="bicubic", antialias=True)


def reader_view(jpg: bytes) -> Any:
    """What the reader makes of an image, with a crop of its own, and nothing read."""
    views = ViewSettings((EDGE, EDGE), open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    random = generator(0, "augment", 0, len(jpg))
    return random_view(simplejpeg.decode_jpeg(jpg), views, random, scale=AugmentConfig().crop_scale)


def fastest(ways: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Images per second of the processor of each way, which take turns."""
    rates = dict.fromkeys(ways, 0.0)
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.process_time()
            count = way()
            rates[name] = max(rates[name], count / (time.process_time() - start))
    return rates


def each(step: Callable[[Any], Any], things: Sequence[Any]) -> Callable[[], int]:
    """``step`` on each of ``things``."""

    def all_of_them() -> int:
        for thing in things:
            step(thing)
        return len(things)

    return all_of_them


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    jpgs = [photograph(number) for number in range(IMAGES)]
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = store(folder / "ours", jpgs)
        with wds.TarWriter(str(folder / "peer.tar")) as tar:
            for number, jpg in enumerate(jpgs):
                tar.write({"__key__": f"{number:08d}", "jpg": jpg, "txt": caption(number)})
        names = (
            "webdataset and Pillow, as open_clip",
            "nicheclip.training.pair_reader",
            "the same, where no text comes again",
        )
        ways = [peer(folder, tokenizer)]
        ways += [ours(data, tokenizer, new_texts=new) for new in (False, True)]
        whole = fastest(dict(zip(names, ways, strict=True)))
    print(f"{WIDTH} x {HEIGHT} to {EDGE} pixels, {sum(map(len, jpgs)) / IMAGES / 1000:.0f} kB\n")
    print("| batches | images/s of a core | of the peer |")
    print("|---|---|---|")
    for name, rate in whole.items():
        print(f"| {name} | {rate:.0f} | {rate / whole[names[0]]:.2f} |")
    opened = [by_pillow(jpg) for jpg in jpgs]
    decoded = [simplejpeg.decode_jpeg(jpg) for jpg in jpgs]
    steps = {
        "decode: Pillow": each(by_pillow, jpgs),
        "decode: Pillow, draft at 4/8 (smaller than the crop needs)": each(draft, jpgs),
        DECODE: each(simplejpeg.decode_jpeg, jpgs),
        REDUCED: each(scaled(5), jpgs),
        "decode: simplejpeg at 4/8 (smaller than the crop needs)": each(scaled(4), jpgs),
        "crop: Pillow": each(pillow_crop, opened),
        "crop: torch": each(torch_crop, decoded),
        "both: Pillow": each(lambda jpg: pillow_crop(by_pillow(jpg)), jpgs),
        "both: Pillow, torch": each(lambda jpg: torch_crop(np.array(by_pillow(jpg))), jpgs),
        "both: simplejpeg, torch": each(lambda j: torch_crop(simplejpeg.decode_jpeg(j)), jpgs),
        VIEW: each(reader_view, jpgs),
    }
    print("\n| step | images/s of a core | ms an image |")
    print("|---|---|---|")
    rates = fastest(steps)
    for name, rate in rates.items():
        print(f"| {name} | {rate:.0f} | {1000 / rate:.2f} |")
    reader = whole[names[1]]
    decoding, reduced, view = (rates[name] for name in (DECODE, REDUCED, VIEW))
    print(f"\nThe reader gives {reader / decoding:.2f} of what decoding alone would, and")
    print(f"{reader / reduced:.2f} of decoding at the least scale that the crop needs;")
    print(f"decoding and cropping alone, without any reading, {view / reduced:.2f}.")


if __name__ == "__main__":
    main()
