"""Views: pixels worked out by hand, and open_clip's own transform as the peer."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from nicheclip.models.openclip import open_clip
from nicheclip.models.views import (
    Normalise,
    ViewSettings,
    centre_view,
    decode,
    many_crops,
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
    return Image.fromarray(noise).resize((100, 60), Image.Resampling.BICUBIC)


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
    assert ours.equal(peer(photograph))


def test_squash_shows_the_edges_that_the_others_cut(photograph):
    """The left fifth of the image is black: a central square of 60 x 60 begins at pixel 20."""
    image = photograph.copy()
    image.paste((0, 0, 0), (0, 0, 20, 60))
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


def test_many_crops_are_different_parts_of_one_image(photograph):
    crops = many_crops(photograph, SETTINGS, np.random.default_rng(0), count=5, scale=(0.1, 0.3))
    assert crops.shape == (5, 3, 32, 32)
    assert len({crop.tobytes() for crop in crops}) == 5
    first = random_view(photograph, SETTINGS, np.random.default_rng(0), scale=(0.1, 0.3))
    assert (crops[0] == first).all()


def test_strong_views_change_colours_and_are_sometimes_grey(photograph):
    """Grey with probability 0.2: 40 of 200, the standard error is 5.7."""
    views = [strong_view(photograph, SETTINGS, np.random.default_rng(s)) for s in range(200)]
    assert all(view.shape == (3, 32, 32) and view.dtype == np.uint8 for view in views)
    grey = sum((view[0] == view[1]).all() and (view[1] == view[2]).all() for view in views)
    assert 22 < grey < 58
    again = strong_view(photograph, SETTINGS, np.random.default_rng(0))
    assert (again == views[0]).all()
    plain = Image.new("RGB", (64, 64), (200, 60, 60))
    means = {
        tuple(strong_view(plain, SETTINGS, np.random.default_rng(s)).mean(axis=(1, 2)).round())
        for s in range(50)
    }
    assert len(means) > 30, "brightness, contrast, saturation and hue are drawn"


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
    photograph.save(encoded, "PNG")
    assert decode(encoded.getvalue(), name="a", where="train").size == (100, 60)
    with pytest.raises(InputError, match="train: image a: expected a whole image"):
        decode(encoded.getvalue()[:50], name="a", where="train")
