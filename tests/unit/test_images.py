import io
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from nicheclip.config.data import ImageConfig
from nicheclip.data import images, transparency
from nicheclip.data.image_tars import suffix
from nicheclip.data.images import BadImageError, normalise

CONFIG = ImageConfig(jpeg_quality=95)
ALL_JPEG = ImageConfig(lossless_pixels=0)


def encode(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(result):
    image = Image.open(io.BytesIO(result.encoded))
    assert image.format in ("JPEG", "PNG")
    assert (image.mode, image.size) == ("RGB", (result.width, result.height))
    return np.asarray(image).astype(int)


def photograph(size=(48, 32), seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def test_an_rgb_jpeg_passes_byte_for_byte():
    data = encode(photograph(), "JPEG", quality=80)
    result = normalise(data, CONFIG)
    assert result.encoded is data
    assert (result.width, result.height, result.converted) == (48, 32, ())


@pytest.mark.parametrize(
    ("image", "expected", "reason"),
    [
        (Image.new("L", (8, 8), 100), (100, 100, 100), "mode L"),
        (Image.new("1", (8, 8), 1), (255, 255, 255), "mode 1"),
        (Image.new("RGBA", (8, 8), (200, 0, 0, 0)), (255, 255, 255), "mode RGBA"),
        (Image.new("RGBA", (8, 8), (200, 0, 0, 255)), (200, 0, 0), "mode RGBA"),
        # half of black over white
        (Image.new("LA", (8, 8), (0, 128)), (127, 127, 127), "mode LA"),
        (Image.new("RGB", (8, 8), (0, 90, 180)).quantize(4), (0, 90, 180), "mode P"),
        (Image.fromarray(np.full((8, 8), 257 * 77, np.uint16)), (77, 77, 77), "mode I;16"),
    ],
    ids=["grey", "bilevel", "clear", "opaque", "half", "palette", "16-bit"],
)
def test_other_modes_become_rgb_with_alpha_over_white(image, expected, reason):
    result = normalise(encode(image), CONFIG)
    assert np.abs(pixels(result) - expected).max() == 0
    assert result.converted == (reason,)
    result = normalise(encode(image), ALL_JPEG)
    assert np.abs(pixels(result) - expected).max() <= 2
    assert result.converted == ("format", reason)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_small_lossless_images_keep_every_pixel(kind):
    image = photograph((32, 32), seed=1)
    result = normalise(
        encode(image, kind, **({"lossless": True} if kind == "WEBP" else {})), CONFIG
    )
    assert suffix(result.encoded) == "png"
    assert (pixels(result) == np.asarray(image)).all()
    assert result.converted == (() if kind == "PNG" else ("format",))


def test_a_png_that_fits_keeps_its_bytes():
    data = encode(photograph((32, 32)))
    assert normalise(data, CONFIG).encoded is data
    exactly = ImageConfig(lossless_pixels=32 * 32)
    assert normalise(data, exactly).encoded is data
    larger = normalise(data, ImageConfig(lossless_pixels=32 * 32 - 1))
    assert (suffix(larger.encoded), larger.converted) == ("jpg", ("format",))


def test_a_lossless_image_that_is_shrunk_is_small_afterwards():
    image = photograph((64, 32))
    result = normalise(encode(image), ImageConfig(max_side=32, lossless_pixels=32 * 16))
    assert (suffix(result.encoded), result.converted) == ("png", ("size",))
    assert (pixels(result) == np.asarray(image.resize((32, 16), Image.Resampling.LANCZOS))).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_images_that_came_with_loss_are_stored_as_jpeg(kind):
    shrunk = normalise(encode(photograph(), kind), ImageConfig(max_side=24))
    assert suffix(shrunk.encoded) == "jpg"


def test_a_transparent_colour_becomes_white():
    result = normalise(encode(Image.new("RGB", (8, 8), "red"), transparency=(255, 0, 0)), CONFIG)
    assert pixels(result).min() >= 253


def test_a_cmyk_jpeg_becomes_rgb():
    result = normalise(encode(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"), CONFIG)
    assert np.abs(pixels(result) - (0, 255, 255)).max() <= 3
    assert result.converted == ("mode CMYK",)


def test_exif_orientation_is_applied_and_removed():
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera's top is on the right: turn clockwise
    result = normalise(encode(image, "JPEG", exif=exif), CONFIG)
    assert (result.width, result.height) == (20, 40)
    upright = pixels(result)
    assert upright[:18].max() < 10 and upright[22:].min() > 245  # left has become top
    assert 0x0112 not in Image.open(io.BytesIO(result.encoded)).getexif()
    assert result.converted == ("orientation",)


@pytest.mark.parametrize("exif", [b"Exif\0\0broken", b"Exif\0\0II*\0"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_damaged_exif_data_lose_no_image(kind, mode, exif):
    image = photograph((32, 32)).convert(mode)
    result = normalise(encode(image, kind, exif=exif), CONFIG)
    assert pixels(result).shape == (32, 32, 3)
    assert "orientation" not in result.converted


def test_a_turn_by_exif_goes_before_the_limit_of_the_side():
    exif = Image.Exif()
    exif[0x0112] = 8
    data = encode(photograph((90, 30)), "JPEG", exif=exif)
    result = normalise(data, ImageConfig(max_side=45))
    assert (result.width, result.height) == (15, 45)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    result = normalise(data, CONFIG)
    assert np.abs(pixels(result) - (255, 0, 0)).max() <= 3
    assert "first frame" in result.converted


def test_larger_images_shrink_to_the_longer_side():
    data = encode(photograph((100, 60)), "JPEG")
    result = normalise(data, ImageConfig(max_side=50))
    assert (result.width, result.height, result.converted) == (50, 30, ("size",))
    assert normalise(data, ImageConfig(max_side=100)).encoded is data
    thin = normalise(encode(photograph((400, 1))), ImageConfig(max_side=16))
    assert (thin.width, thin.height) == (16, 1)


def test_the_colour_profile_goes_when_the_image_is_encoded_again():
    data = encode(photograph(), icc_profile=b"a profile")
    for config in (ALL_JPEG, ImageConfig(max_side=24)):
        result = normalise(data, config)
        assert "icc_profile" not in Image.open(io.BytesIO(result.encoded)).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_bad_and_not_filled_with_grey(kind, kept):
    data = encode(photograph((200, 150)), kind)
    with pytest.raises(BadImageError, match=r"truncated|damaged|not an image"):
        normalise(data[: int(len(data) * kept)], CONFIG)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (b"<html>404 Not Found</html>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not an image"),
        (encode(Image.new("F", (8, 8), 0.5), "TIFF"), "floating-point"),
        (encode(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)), "TIFF"), "16 bits"),
    ],
    ids=["empty", "html", "postscript", "float", "32-bit"],
)
def test_what_is_no_usable_image_is_bad(data, reason):
    with pytest.raises(BadImageError, match=reason):
        normalise(data, CONFIG)


def test_an_image_of_too_many_pixels_is_not_decoded():
    config = ImageConfig(max_pixels=99)
    with pytest.raises(BadImageError, match=r"more than 99 pixels \(image\.max_pixels\)"):
        normalise(encode(Image.new("L", (10, 10))), config)
    normalise(encode(Image.new("L", (9, 11))), config)


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(images, "LARGE_PIXELS", 100)
    inside, most, decode = [], [], images._decode

    def slow(image, reasons):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        decode(image, reasons)
        inside.pop()

    monkeypatch.setattr(images, "_decode", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda data: normalise(data, CONFIG), [encode(photograph())] * 8))
    assert max(most) == 1
    most.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda data: normalise(data, CONFIG), [encode(photograph((9, 9)))] * 8))
    assert max(most) > 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_strips_change_no_pixel(monkeypatch, mode):
    noise = np.random.default_rng(0).integers(0, 255, (50, 40, 4), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    data = encode(image, **({"transparency": 3} if mode == "P" else {}))
    whole = normalise(data, CONFIG)
    monkeypatch.setattr(transparency, "STRIP_PIXELS", 40 * 7)
    assert normalise(data, CONFIG) == whole


PEAK = r"""
import re, sys
from pathlib import Path
from nicheclip.config.data import ImageConfig
from nicheclip.data.image_tars import suffix
from nicheclip.data.images import normalise
def peak(name):
    normalise(Path(name).read_bytes(), ImageConfig())
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
before = peak(sys.argv[1])
print((peak(sys.argv[2]) - before) / 20e6)
"""


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16"])
def test_the_memory_of_a_large_image(tmp_path, mode):
    """Ten bytes a pixel at most, here of 20 million pixels."""
    files = [tmp_path / "small.png", tmp_path / "large.png"]
    for file, size in zip(files, [(50, 40), (5000, 4000)], strict=True):
        file.write_bytes(encode(Image.new(mode, size), compress_level=1))
    run = subprocess.run([sys.executable, "-c", PEAK, *files], capture_output=True, check=True)
    assert 2 < float(run.stdout) < 10


@pytest.mark.skipif(not features.check("avif"), reason="Pillow is built without AVIF")
def test_avif_is_read():
    result = normalise(encode(Image.new("RGB", (16, 16), (200, 10, 10)), "AVIF"), CONFIG)
    assert np.abs(pixels(result) - (200, 10, 10)).max() <= 8
    assert result.converted == ("format",)


def test_an_image_of_a_telephone_says_what_to_install_or_is_read():
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    reason = (
        "damaged|not an image"
        if "HEIF" in images.FORMATS
        else r"HEIC: pip install 'nicheclip\[heic\]'"
    )
    with pytest.raises(BadImageError, match=reason):
        normalise(data, CONFIG)


@pytest.mark.skipif("HEIF" not in images.FORMATS, reason="the extra heic is not installed")
def test_heic_is_read():
    result = normalise(encode(Image.new("RGB", (64, 64), (200, 10, 10)), "HEIF"), CONFIG)
    assert np.abs(pixels(result) - (200, 10, 10)).max() <= 8


def test_a_real_bomb_is_refused_from_its_header():
    # 40,000 x 40,000 grey pixels in under 200 bytes of header and nothing else
    header = encode(Image.new("L", (1, 1)))
    bomb = header[:16] + (40_000).to_bytes(4, "big") * 2 + header[24:]
    # the checksum of the header is that of another size
    with pytest.raises(BadImageError, match=r"damaged|not an image"):
        normalise(bomb, CONFIG)
    crc = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    with pytest.raises(BadImageError, match=r"more than 100000000 pixels \(image\.max_pixels\)"):
        normalise(bomb[:29] + crc + bomb[33:], CONFIG)


def test_the_config_may_allow_more_pixels_than_pillow_would():
    """200 million pixels by its header, and too few bytes for them."""
    header = encode(Image.new("L", (1, 1)))
    large = header[:16] + (20_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big") + header[24:29]
    large += zlib.crc32(large[12:29]).to_bytes(4, "big") + header[33:]
    with pytest.raises(BadImageError, match=r"truncated|damaged"):
        normalise(large, ImageConfig(max_pixels=300_000_000))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP"]), st.data())
def test_damaged_bytes_give_an_image_or_a_reason_but_no_other_error(kind, data):
    encoded = bytearray(encode(photograph(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = normalise(bytes(encoded), CONFIG)
    except BadImageError:
        return
    assert pixels(result).shape == (result.height, result.width, 3) or not result.converted
