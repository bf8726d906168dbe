"""Views: pixels worked out by hand, and open_clip's own transform as the peer."""

import io

import numpy as np
import pytest
import simplejpeg
import torch
from PIL import Image

from nicheclip.models import rand_augment as rand_augment_module
from nicheclip.models.openclip import open_clip
from nicheclip.models.rand_augment import rand_augment
from nicheclip.models.square_crops import SquareCrops, square_boxes, square_crops
from nicheclip.models.views import (
    Normalise,
    ViewSettings,
    centre_view,
    decode,
    random_crop,
    random_view,
    strong_view,
)
from nicheclip.runtime.errors import InputError
from small_training import tiny_clip

SETTINGS = ViewSettings((32, 32), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))


@pytest.fixture(scope="module")
def photograph():
    """Coarse noise, wider than high."""
    noise = np.random.default_rng(1).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((100, 60), Image.Resampling.BICUBIC))


def jpeg(pixels, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def pillow(data):
    """As Pillow decodes it."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(
    ("interpolation", "size"),
    [("bicubic", (32, 32)), ("bilinear", (32, 32)), ("bicubic", (24, 40))],
)
def test_the_centre_view_is_what_open_clip_evaluates(
    tmp_path, photograph, resize_mode, interpolation, size
):
    """Bit by bit, as the encoder sees it."""
    clip = tiny_clip(tmp_path)
    clip.model.visual.preprocess_cfg |= {
        "resize_mode": resize_mode,
        "interpolation": interpolation,
        "size": size,
    }
    settings = ViewSettings.of(clip)
    assert (settings.resize_mode, settings.interpolation) == (resize_mode, interpolation)
    view = centre_view(settings)(photograph)
    assert view.shape == (3, *size) and view.dtype == np.uint8
    assert random_view(photograph, settings, np.random.default_rng(0), scale=(0.5, 1)).shape == (
        3,
        *size,
    )
    ours = Normalise(settings)(torch.from_numpy(view.copy()))
    config = open_clip.transform.PreprocessCfg(**clip.model.visual.preprocess_cfg)
    peer = open_clip.transform.image_transform_v2(config, is_train=False)
    assert ours.equal(peer(Image.fromarray(photograph)))


def test_squash_shows_the_edges_that_the_others_cut(photograph):
    """The left fifth of the image is black: a central square of 60 x 60 begins at pixel 20."""
    image = photograph.copy()
    image[:, :20] = 0
    squash = centre_view(
        ViewSettings((32, 32), *[SETTINGS.mean, SETTINGS.std], resize_mode="squash")
    )
    assert squash(image)[:, :, 1].max() == 0
    assert centre_view(SETTINGS)(image)[:, :, 2].max() > 0


def test_colours_are_normalised_by_mean_and_deviation():
    views = torch.tensor([0, 255, 102], dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
    normalised = Normalise(SETTINGS)(views)
    # (0 - 0.5) / 0.2, (1 - 0.4) / 0.25, (0.4 - 0.3) / 0.5
    assert normalised[:, 0, 0].tolist() == pytest.approx([-2.5, 2.4, 0.2])
    assert not Normalise(SETTINGS).state_dict(), "a model is saved without them"


def test_random_views_follow_their_generator(photograph):
    def view(seed, **options):
        random = np.random.default_rng(seed)
        return random_view(photograph, SETTINGS, random, scale=(0.3, 1.0), **options)

    assert view(0).shape == (3, 32, 32)
    assert (view(0) == view(0)).all() and (view(0) != view(1)).any()
    flipped = [(view(s, flip=True) == view(s)[:, :, ::-1]).all() for s in range(200)]
    kept = [(view(s, flip=True) == view(s)).all() for s in range(200)]
    assert sum(flipped) + sum(kept) == 200 and 70 < sum(flipped) < 130


def test_strong_views_change_colours_and_are_sometimes_grey(photograph):
    """Grey with probability 0.2: 40 of 200, the standard error is 5.7."""
    views = [strong_view(photograph, SETTINGS, np.random.default_rng(s)) for s in range(200)]
    assert all(view.shape == (3, 32, 32) and view.dtype == np.uint8 for view in views)
    grey = sum((view[0] == view[1]).all() and (view[1] == view[2]).all() for view in views)
    assert 22 < grey < 58
    again = strong_view(photograph, SETTINGS, np.random.default_rng(0))
    assert (again == views[0]).all()
    plain = np.full((64, 64, 3), (200, 60, 60), np.uint8)
    means = {
        tuple(strong_view(plain, SETTINGS, np.random.default_rng(s)).mean(axis=(1, 2)).round())
        for s in range(50)
    }
    assert len(means) > 30, "brightness, contrast, saturation and hue are drawn"


def test_square_crops_are_pillows_crop_and_resizing(photograph):
    """Up to one step of a pixel's value; sides and places as the boxes say."""
    side, boxes = (0.5, 0.9), []
    for seed in range(20):
        random = np.random.default_rng(seed)
        cut = square_crops(photograph, SETTINGS, random, count=8, side=side)
        assert cut.shape == (8, 3, 32, 32) and cut.dtype == np.uint8
        again = square_boxes((100, 60), np.random.default_rng(seed), count=8, side=side)
        for crop, (left, top, edge) in zip(cut, again, strict=True):
            peer = Image.fromarray(photograph[top : top + edge, left : left + edge])
            peer = np.asarray(peer.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
            assert np.abs(crop.astype(int) - peer).max() <= 1
        boxes += again
    lefts, tops, edges = np.array(boxes).T
    assert edges.min() >= 30 and edges.max() <= 54 and abs(edges.mean() - 42) < 2
    assert lefts.min() == 0 and (lefts + edges).max() == 100 and (lefts + edges <= 100).all()
    assert tops.min() == 0 and (tops + edges).max() == 60 and (tops + edges <= 60).all()


@pytest.mark.parametrize("size", [(32, 32), (24, 40), (64, 64)])
def test_square_crops_do_not_depend_on_what_is_resized_with_them(photograph, size):
    """Each is what torch makes of it alone, of small images, which wait, and of large ones."""
    settings = ViewSettings(size, SETTINGS.mean, SETTINGS.std)
    large = np.array(Image.fromarray(photograph).resize((400, 240)))
    images = [photograph, large, photograph[:, ::-1], photograph[:48, :48]]
    crops = SquareCrops(settings, count=20, side=(0.5, 0.9))
    for seed, image in enumerate(images):
        crops.add(image, np.random.default_rng(seed))
    together = crops.take()
    assert together.shape == (4, 20, 3, *size)
    for seed, (image, found) in enumerate(zip(images, together, strict=True)):
        width, height = image.shape[1], image.shape[0]
        boxes = square_boxes(
            (width, height), np.random.default_rng(seed), count=20, side=(0.5, 0.9)
        )
        for crop, (left, top, edge) in zip(found, boxes, strict=True):
            part = torch.from_numpy(image[top : top + edge, left : left + edge].copy())
            alone = torch.nn.functional.interpolate(
                part.permute(2, 0, 1)[None], size, mode="bicubic", antialias=True
            )
            assert (crop == alone[0].numpy()).all()


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
def test_an_image_of_the_models_size_is_its_own_centre_view(photograph, resize_mode):
    settings = ViewSettings((60, 100), SETTINGS.mean, SETTINGS.std, resize_mode=resize_mode)
    view = centre_view(settings)(photograph)
    assert (view == photograph.transpose(2, 0, 1)).all()


def test_square_crops_of_an_input_that_is_no_square(photograph):
    settings = ViewSettings((24, 40), SETTINGS.mean, SETTINGS.std, interpolation="bilinear")
    cut = square_crops(photograph, settings, np.random.default_rng(0), count=2, side=(1, 1))
    assert cut.shape == (2, 3, 24, 40)
    ((left, top, edge), _) = square_boxes((100, 60), np.random.default_rng(0), count=2, side=(1, 1))
    peer = Image.fromarray(photograph[top : top + edge, left : left + edge])
    peer = np.asarray(peer.resize((40, 24), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert (top, edge) == (0, 60) and np.abs(cut[0].astype(int) - peer).max() <= 1


def test_rand_augment_makes_each_of_its_changes_half_the_time(photograph):
    """Two draws with probability one half each leave a quarter as it is (50 of 200, error 6.1)."""
    fill = (10, 20, 30)
    small = Image.fromarray(photograph).resize((40, 24))
    changed = [rand_augment(small, np.random.default_rng(s), fill) for s in range(200)]
    assert all(one.size == (40, 24) and one.mode == "RGB" for one in changed)
    kept = sum(one.tobytes() == small.tobytes() for one in changed)
    assert 30 < kept < 72
    assert len({one.tobytes() for one in changed}) > 100
    again = rand_augment(small, np.random.default_rng(5), fill)
    assert again.tobytes() == changed[5].tobytes()


def test_each_change_of_rand_augment_does_what_its_name_says():
    """A grey ramp, at full strength."""
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (20, 1))
    image = Image.fromarray(np.stack([ramp] * 3, axis=2))

    def after(number, sign=1, share=1.0):
        change = rand_augment_module._ALL[number]
        return np.asarray(change(image, share, sign, (255, 0, 0)))

    dark = ramp < 128
    assert (after(2)[..., 0] == 255 - ramp).all(), "invert"
    assert set(np.unique(after(4))) == {0, 128}, "one bit is left"
    assert (after(5)[..., 0] == 255 - ramp).all(), "solarise above 0"
    assert (after(6)[dark][:, 0] == ramp[dark] + 110).all(), "the dark is brightened"
    assert (after(6)[~dark][:, 0] == ramp[~dark]).all()
    assert (after(9, sign=-1)[..., 0] <= ramp * 0.1 + 1).all(), "brightness"
    assert (after(7) == np.asarray(image)).all(), "grey has no colour to change"
    shifted = after(13)  # 0.45 * 50 pixels come in from the right
    assert (shifted[:, -22:] == (255, 0, 0)).all() and (shifted[:, :5, 0] > 100).all()
    assert (after(14)[-9:] == (255, 0, 0)).all() and (after(14, sign=-1)[:9] == (255, 0, 0)).all()
    assert (after(3, share=0.0) == np.asarray(image)).all()
    for number in (3, 11, 12):
        assert (after(number) == (255, 0, 0)).all(axis=2).any(), "corners come into view"


def test_crops_have_the_asked_area_and_stay_inside():
    random = np.random.default_rng(0)
    areas = []
    for _ in range(500):
        left, top, right, bottom = random_crop((200, 150), (0.3, 0.6), random)
        assert 0 <= left < right <= 200 and 0 <= top < bottom <= 150
        areas.append((right - left) * (bottom - top) / 30000)
        assert 0.73 < (right - left) / (bottom - top) < 1.36
    assert min(areas) > 0.29 and max(areas) < 0.61
    assert np.mean(areas) == pytest.approx(0.45, abs=0.02)


def test_an_image_too_long_for_any_crop_gives_its_central_part():
    assert random_crop((1000, 60), (1.0, 1.0), np.random.default_rng(0)) == (460, 0, 540, 60)


def test_what_is_no_image_is_named(photograph):
    encoded = io.BytesIO()
    Image.fromarray(photograph).save(encoded, "PNG")
    assert (decode(encoded.getvalue(), name="a", where="train") == photograph).all()
    whole = jpeg(photograph)
    for part in (encoded.getvalue()[:50], whole[:50], whole[: len(whole) // 2]):
        with pytest.raises(InputError, match="train: image a: expected a whole image"):
            decode(part, name="a", where="train")


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{"quality": 60}, {"quality": 95, "progressive": True}])
def test_a_jpeg_is_decoded_to_the_pixels_of_pillow(photograph, subsampling, options):
    data = jpeg(photograph[:59, :97], subsampling=subsampling, **options)
    assert (pillow(data) == decode(data, name="a", where="train")).all()
    grey = io.BytesIO()
    Image.fromarray(photograph[..., 0]).save(grey, "JPEG")
    assert (pillow(grey.getvalue()) == decode(grey.getvalue(), name="a", where="train")).all()


def test_a_jpeg_with_a_flaw_that_pillow_forgives_is_read_by_it(photograph):
    whole = jpeg(photograph)
    data = whole[:-2] + bytes(9) + whole[-2:]  # bytes that belong to nothing before the end
    with pytest.raises(ValueError, match="extraneous bytes"):
        simplejpeg.decode_jpeg(data)
    assert (pillow(whole) == decode(data, name="a", where="train")).all()


def resized_by_pillow(image, size, box):
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).transpose(2, 0, 1)


def test_a_crop_that_is_shrunk_has_nearly_the_pixels_of_pillow():
    """Two steps of 255 at most from Pillow's cut and resizing, a quarter of a step in the mean.
    ``box`` lets Pillow see beyond the edge of the crop, which changes the outermost pixels alone.
    """
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    smooth = np.array(coarse.resize((500, 375), Image.Resampling.BICUBIC)).astype(int)
    image = np.clip(smooth + random.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
    size, scale = (224, 224), (0.5, 1.0)
    settings = ViewSettings(size, SETTINGS.mean, SETTINGS.std)
    for seed in range(10):
        view = random_view(image, settings, np.random.default_rng(seed), scale=scale).astype(int)
        left, top, right, bottom = random_crop((500, 375), scale, np.random.default_rng(seed))
        cut = resized_by_pillow(image[top:bottom, left:right], size, None)
        differs = np.abs(view - cut)
        assert differs.max() <= 2 and differs.mean() < 0.3
        seen = resized_by_pillow(image, size, (left, top, right, bottom))
        assert np.abs(view - seen)[:, 3:-3, 3:-3].max() <= 2


def test_a_crop_that_is_enlarged_has_the_pixels_of_pillow(photograph):
    """So has one of an image no larger than the view, as in the demo."""
    settings = ViewSettings((60, 100), SETTINGS.mean, SETTINGS.std)
    for seed in range(20):
        view = random_view(photograph, settings, np.random.default_rng(seed), scale=(0.5, 1.0))
        box = random_crop((100, 60), (0.5, 1.0), np.random.default_rng(seed))
        assert (view == resized_by_pillow(photograph, (60, 100), box)).all()
