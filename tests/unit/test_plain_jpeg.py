import io
import random

import numpy as np
import pytest
from PIL import Image

from nicheclip.config.data import ImageConfig
from nicheclip.data import images
from nicheclip.data.images import BadImageError, normalise
from nicheclip.data.plain_jpeg import decoded, eighths, plain_size

SQUARE = {"edge": 16, "how": "squash"}
CONFIGS = [
    ImageConfig(),
    ImageConfig(check="scaled"),
    ImageConfig(check="header"),
    ImageConfig.model_validate({"resize": SQUARE}),
    ImageConfig(max_side=20),
]


def jpeg(size, mode="RGB", **options):
    """A smooth picture that no decoder has to clip."""
    drawn = np.random.default_rng(1).integers(60, 190, (4, 6, 3), np.uint8)
    stream = io.BytesIO()
    picture = Image.fromarray(drawn).resize(size, Image.Resampling.BICUBIC)
    picture.convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


PLAIN = [
    jpeg((150, 141)),
    jpeg((33, 21), progressive=True),
    jpeg((64, 48), subsampling=0, comment=b"a comment", icc_profile=b"x" * 300),
    jpeg((40, 56), restart_marker_rows=1, optimize=True),
]


def outcome(data, config):
    """All that is stored of an image, but for its hash and pixels at a size, or why it is not."""
    try:
        stored = normalise(data, config)
    except BadImageError as error:
        return str(error)
    kept = None if config.resize else stored.encoded
    return kept, stored.width, stored.height, stored.converted


def by_pillow(monkeypatch, data, config):
    with monkeypatch.context() as patch:
        patch.setattr(images, "plain_size", lambda data: None)
        return outcome(data, config)


def damaged(data, draw):
    """``data`` cut off, with a bit turned, or with bytes too many or too few."""
    headers = data.index(b"\xff\xda") + 12
    at = draw.randrange(draw.choice([headers, len(data)]))
    kind = draw.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + draw.randbytes(draw.randrange(1, 5)) + data[at:]
    return data[:at] + data[at + draw.randrange(1, 9) :]


@pytest.mark.parametrize("data", PLAIN)
def test_the_same_files_are_stored_and_refused_as_by_pillow_alone(data, monkeypatch):
    draw = random.Random(2)
    files = [data, *(damaged(data, draw) for _ in range(60))]
    seen = {config.check: set() for config in CONFIGS}
    for config in CONFIGS:
        for file in files:
            found = outcome(file, config)
            assert found == by_pillow(monkeypatch, file, config)
            seen[config.check].add(found if isinstance(found, str) else "stored")
    assert seen["full"] >= {"stored", "truncated"}


def with_segment(marker, body):
    """A plain file with one more segment, before all others."""
    length = (len(body) + 2).to_bytes(2)
    return PLAIN[0][:2] + marker + length + body + PLAIN[0][2:]


def with_sampling(sampling):
    """A plain file whose header claims ``sampling`` (across, down) of its brightness."""
    frame = PLAIN[0].index(b"\xff\xc0\0\x11")
    return PLAIN[0][: frame + 11] + sampling + PLAIN[0][frame + 12 :]


@pytest.mark.parametrize(
    "data",
    [
        with_sampling(b"\x14"),  # 4:4:1, as some cameras have it; the library has no name for it
        with_sampling(b"\x33"),
        with_segment(b"\xff\xee", b"Adobe\0"),
        with_segment(b"\xff\xee", b"Adobe\0\x64\0\0\0\0\0"),  # transform 0: its colours are RGB
        with_segment(b"\xff\xe0", b"JFIF\0\1"),
        with_segment(b"\xff\xfe", b""),
    ],
)
@pytest.mark.parametrize("config", CONFIGS)
def test_rare_headers_are_judged_as_by_pillow_alone(data, config, monkeypatch):
    assert outcome(data, config) == by_pillow(monkeypatch, data, config)


@pytest.mark.parametrize("data", PLAIN)
def test_the_hash_of_the_brightness_is_that_of_the_colours(data, monkeypatch):
    quick = normalise(data, ImageConfig()).phash
    monkeypatch.setattr(images, "plain_size", lambda data: None)
    assert (quick ^ normalise(data, ImageConfig()).phash).bit_count() <= 2


def test_what_pillow_has_to_judge():
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (
        b"",
        b"\xff\xd8\xff",
        PLAIN[0][:60],
        jpeg((40, 30), exif=exif),
        jpeg((40, 30), xmp=b'http://ns.adobe.com/xap/1.0/ tiff:Orientation="6"'),
        jpeg((40, 30), "L"),
        jpeg((40, 30), "CMYK"),
        jpeg((40, 30), keep_rgb=True),
        PLAIN[0].replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),  # 12 bits
    ):
        assert plain_size(data) is None
    assert [plain_size(data) for data in PLAIN] == [(150, 141), (33, 21), (64, 48), (40, 56)]


def test_the_limit_of_pixels_holds():
    with pytest.raises(BadImageError, match="more than 100 pixels"):
        normalise(PLAIN[0], ImageConfig(max_pixels=100))


@pytest.mark.parametrize(
    ("size", "wanted", "scale"),
    [
        ((448, 448), (224, 224), 4),
        ((447, 900), (224, 224), 5),  # 3.99 eighths would do for its height, 4.01 for its width
        ((240, 240), (224, 224), 8),
        ((1800, 1792), (224, 224), 1),
        ((20, 20), (224, 224), 8),
    ],
)
def test_the_fewest_eighths_that_have_the_pixels(size, wanted, scale):
    assert eighths(size, wanted) == scale
    image = decoded(jpeg(size), size, scale=scale, grey=True)
    assert image is not None
    assert image.size == (-(-size[0] * scale // 8), -(-size[1] * scale // 8))


@pytest.mark.parametrize("size", [(43, 37), (30, 57), (90, 71)])
def test_a_reduced_scale_gives_nearly_the_same_picture(size, monkeypatch):
    config = ImageConfig.model_validate({"resize": SQUARE})
    data = jpeg(size, quality=95)
    quick = np.asarray(Image.open(io.BytesIO(normalise(data, config).encoded)), float)
    monkeypatch.setattr(images, "eighths", lambda size, wanted: 8)
    whole = np.asarray(Image.open(io.BytesIO(normalise(data, config).encoded)), float)
    assert np.abs(quick - whole).mean() < 3
    assert np.abs(quick - whole).max() < 20


def test_a_large_plain_jpeg_waits_for_another(monkeypatch):
    monkeypatch.setattr(images, "LARGE_PIXELS", 100)
    taken = []

    class Lock:
        def __enter__(self):
            taken.append(True)

        def __exit__(self, *of_an_error):
            taken.append(False)

    monkeypatch.setattr(images, "_large", Lock())
    normalise(PLAIN[0], ImageConfig())
    assert taken == [True, False]
