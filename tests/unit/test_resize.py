"""Other sizes and lighter checks of stored images, from the bytes to the shards."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig, ImageConfig
from nicheclip.data import images
from nicheclip.data.image_set import ImageSet
from nicheclip.data.images import BadImageError, normalise
from nicheclip.data.labels import Labels
from nicheclip.runtime.files import sha256_file


def encode(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photograph(size, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (7, 9, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def resize(edge=32, **options):
    return ImageConfig.model_validate({"resize": {"edge": edge} | options})


def opened(result):
    return Image.open(io.BytesIO(result.encoded))


@pytest.mark.parametrize(
    ("how", "size", "expected"),
    [
        ("shortest_side", (128, 64), (64, 32)),
        ("shortest_side", (65, 129), (32, 64)),  # 63.5 rounded to even
        ("shortest_side", (90, 32), (90, 32)),  # none is enlarged
        ("squash", (128, 64), (32, 32)),
        ("squash", (16, 90), (32, 32)),
        ("centre_crop", (128, 64), (32, 32)),
        ("centre_crop", (20, 24), (32, 32)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_sizes_and_kinds(how, size, expected, kind):
    data = encode(photograph(size), kind)
    result = normalise(data, resize(how=how))
    assert (result.width, result.height) == opened(result).size == expected
    assert opened(result).format == kind
    assert (result.encoded == data) == (size == expected)
    assert result.converted == (() if size == expected else ("size",))


def test_what_a_crop_and_a_squashed_image_show():
    """Red, green and blue side by side, each a square."""
    stripes = Image.new("RGB", (192, 64), "red")
    stripes.paste((0, 255, 0), (64, 0, 128, 64))
    stripes.paste((0, 0, 255), (128, 0, 192, 64))
    crop = np.asarray(
        opened(normalise(encode(stripes, "PNG"), resize(how="centre_crop", filter="box")))
    )
    assert (crop == (0, 255, 0)).all()
    whole = np.asarray(
        opened(normalise(encode(stripes, "PNG"), resize(how="squash", filter="box")))
    )
    assert whole[:, [0, 16, 31]].tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]] * 32


def test_a_very_long_image_is_cropped_without_being_enlarged_as_a_whole():
    result = normalise(
        encode(Image.new("RGB", (60_000, 1), "red")), resize(1024, how="centre_crop")
    )
    assert (result.width, result.height) == (1024, 1024)


def test_the_filter_is_the_one_that_is_named():
    data = encode(photograph((48, 48)), "PNG")
    found = opened(normalise(data, resize(filter="box"))).tobytes()
    image = Image.open(io.BytesIO(data))
    assert found == image.resize((32, 32), Image.Resampling.BOX).tobytes()
    assert found != image.resize((32, 32), Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize(("turned", "size"), [(1, (321, 161)), (6, (320, 160))])
def test_large_jpegs_are_decoded_at_a_reduced_scale_to_nearly_the_same(monkeypatch, turned, size):
    """321 x 161 pixels at a quarter are 81 x 41, of which the last are a quarter of a pixel."""
    exif = Image.Exif()
    exif[0x0112] = turned
    data = encode(photograph(size), quality=95, exif=exif)
    config = resize(40)
    reduced = normalise(data, config)
    monkeypatch.setattr(images, "_decode_less", lambda image, *_: image.size)
    whole = normalise(data, config)
    expected = (80, 40) if turned == 1 else (40, 80)
    assert (reduced.width, reduced.height) == (whole.width, whole.height) == expected
    difference = np.asarray(opened(reduced), float) - np.asarray(opened(whole), float)
    assert 0 < np.abs(difference).mean() < 1.5
    assert (reduced.phash ^ whole.phash).bit_count() <= 4


@pytest.mark.parametrize("how", ["shortest_side", "squash", "centre_crop"])
def test_a_crop_keeps_the_perceptual_hash_of_the_whole(how):
    data = encode(photograph((200, 120)))
    hashes = [normalise(data, config).phash for config in (resize(40, how=how), ImageConfig())]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4


def test_a_header_tells_what_is_no_image_but_not_what_is_cut_off():
    data, config = encode(photograph((200, 150))), ImageConfig(check="header")
    assert normalise(data, config).phash is None
    assert normalise(data, config).encoded is data
    cut = data[: len(data) * 2 // 3]
    assert normalise(cut, config).encoded is cut
    for check in ("full", "scaled"):
        with pytest.raises(BadImageError, match="truncated"):
            normalise(cut, ImageConfig(check=check))
    for bad in (b"", b"<html>404 Not Found</html>", data[:10]):
        with pytest.raises(BadImageError):
            normalise(bad, config)


def test_what_is_encoded_again_is_decoded_whatever_the_check():
    grey = encode(photograph((200, 150)).convert("L"))
    result = normalise(grey, ImageConfig(check="header"))
    assert opened(result).mode == "RGB" and result.phash is not None
    for kind in (ImageConfig(check="header"), ImageConfig(check="header", max_side=32)):
        with pytest.raises(BadImageError, match="truncated"):
            normalise(grey[: len(grey) // 2], kind)


def test_the_scaled_check_keeps_bytes_size_and_nearly_the_hash():
    data = encode(photograph((400, 300)))
    full, scaled = (normalise(data, ImageConfig(check=check)) for check in ("full", "scaled"))
    assert scaled.encoded is data and (scaled.width, scaled.height) == (400, 300)
    assert (full.phash ^ scaled.phash).bit_count() <= 4


SOURCE = {"kind": "folder", "path": "data"}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"image": {"max_side": 64, "resize": {"edge": 32}}}, "max_side and resize"),
        ({"image": {"check": "header"}}, "near_duplicate_bits"),
        (
            {
                "image": {"check": "header"},
                "split": {"near_duplicate_bits": None},
                "leakage": {"apart_from": ["other"]},
            },
            "leakage.by",
        ),
    ],
)
def test_options_that_do_not_go_together(config, named):
    with pytest.raises(ValidationError, match=named):
        DatasetConfig.model_validate({"source": SOURCE} | config)


@pytest.fixture
def by_class(tmp_path):
    """Four classes of 40 images, which a source reads one after the other; one is cut off."""
    for i in range(160):
        path = tmp_path / f"data/{'abcd'[i // 40]}/{i:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(photograph((72 + i % 3, 70), seed=i)))
    path = tmp_path / "data/a/cut.jpg"
    path.write_bytes(encode(photograph((99, 99), seed=500))[:1500])
    return {"kind": "folder", "path": str(tmp_path / "data")}


def stored(out, source, *, workers=1, parts=1, **image):
    split = {"near_duplicate_bits": None}
    config = {"source": source, "image": image, "split": split, "parts": parts, "shards": 2}
    return acquire_and_curate(out, DatasetConfig.model_validate(config), workers=workers)


@pytest.mark.parametrize("image", [{"resize": {"edge": 32, "how": "squash"}}, {"check": "header"}])
def test_the_same_bytes_for_any_number_of_workers(tmp_path, by_class, image):
    files = []
    for workers in (1, 3):
        out = tmp_path / f"{workers}"
        report, tars = stored(out, by_class, workers=workers, **image)
        assert report.counts["images"] == 160 + ("check" in image)
        files.append([sha256_file(path) for path in (*tars, out / "catalog.parquet")])
    assert files[0] == files[1]


@pytest.mark.parametrize("parts", [1, 2])
def test_shards_are_not_class_by_class(tmp_path, by_class, parts):
    """A source in the order of its classes has 3 changes of class in 160 images; a random order
    has three in four."""
    stored(tmp_path / "out", by_class, parts=parts, check="header")
    train, labels = ImageSet(tmp_path / "out/train"), Labels(tmp_path / "out/train")
    classes = [labels.class_id(row) for row in range(len(train))]
    changes = [one != other for one, other in pairwise(classes)]
    assert 0.6 < np.mean(changes) < 0.9
    for start in np.cumsum([0, *train.tar_sizes[:-1]]):
        assert set(classes[start : start + 30]) == set("abcd")
