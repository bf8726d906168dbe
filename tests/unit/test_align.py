"""Alignment: the closed form beside numpy's, its bias, and models that plain open_clip loads."""

import numpy as np
import pytest
import torch

from nicheclip.config.alignment import AlignmentConfig, RidgeFit, SgdFit
from nicheclip.data.image_set import ImageSet
from nicheclip.models.backbones import create_backbone, load_backbone, save_backbone
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import l2_normalise
from nicheclip.models.openclip import Clip, load, open_clip, save
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import FUSION_FILE
from nicheclip.training.align import VARIANCE, fit, scale_to, unscaled
from nicheclip.training.align_job import AlignJob
from nicheclip.training.normal_equations import NormalEquations
from small_training import tiny_clip, write_squares


def made_up(count=400, features=7, targets=3, noise=0.0, seed=0):
    """Features with means, and targets that are linear in them."""
    random = np.random.default_rng(seed)
    weight, bias = random.normal(size=(targets, features)), random.normal(size=targets) * 4
    x = random.normal(size=(count, features)) * np.linspace(0.5, 3, features) + 5
    y = x @ weight.T + bias + noise * random.normal(size=(count, targets))
    return x, y, weight, bias


def parts(x, y, size=64):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def cosines(one, other):
    one, other = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (one, other))
    return np.sum(one * other, axis=1)


def test_ridge_without_penalty_is_numpys_least_squares():
    x, y, _, _ = made_up(noise=2.0)
    found = fit(parts(x, y), RidgeFit(), seed=0)
    with_one = np.column_stack([x, np.ones(len(x))])
    expected = np.linalg.lstsq(with_one, y, rcond=None)[0]
    np.testing.assert_allclose(found.weight, expected[:-1].T, atol=1e-8)
    np.testing.assert_allclose(found.bias, expected[-1], atol=1e-8)
    rest = y - with_one @ expected
    assert found.r2 == pytest.approx(1 - np.sum(rest**2) / np.sum((y - y.mean(0)) ** 2), abs=1e-10)
    assert found.mse == pytest.approx(VARIANCE * np.mean(rest**2) / y.var(), abs=1e-9)
    # the relation of the repository's own figures: .877 of 4.5 is left, .805 explained
    assert found.r2_overall == pytest.approx(1 - found.mse / VARIANCE, abs=1e-12)
    assert pytest.approx(0.805, abs=5e-4) == 1 - 0.877 / 4.5
    assert (found.penalty, found.note, found.images) == (0.0, "", 400)


def test_a_penalty_is_that_of_centred_ridge():
    x, y, _, _ = made_up(noise=1.0)
    found = fit(parts(x, y), RidgeFit(penalty=0.3), seed=0)
    a, b = x - x.mean(0), y - y.mean(0)
    share = 0.3 * np.trace(a.T @ a) / 7
    expected = np.linalg.solve(a.T @ a + share * np.eye(7), a.T @ b).T
    np.testing.assert_allclose(found.weight, expected, atol=1e-9)
    np.testing.assert_allclose(found.bias, y.mean(0) - expected @ x.mean(0), atol=1e-9)


def test_parts_of_any_size_give_the_same_sums():
    x, y, _, _ = made_up(noise=1.0)
    one, many = (fit(parts(x, y, size), RidgeFit(), seed=0) for size in (400, 13))
    np.testing.assert_allclose(one.weight, many.weight, atol=1e-10)


def test_an_exact_map_is_found_with_cosine_one():
    x, y, weight, bias = made_up()
    found = fit(parts(x, y), RidgeFit(), seed=0)
    np.testing.assert_allclose(found.weight, weight, atol=1e-9)
    np.testing.assert_allclose(found.bias, bias, atol=1e-8)
    assert found.r2 == pytest.approx(1.0, abs=1e-12)
    assert cosines(x @ found.weight.T + found.bias, y).min() == pytest.approx(1, abs=1e-12)


def test_the_published_bias_is_wrong_and_the_correct_one_is_exact():
    """The map of the scaled sides is W c_y / c_x and c_y b: taking the scales back returns it."""
    x, y, weight, bias = made_up()
    y, bias = y - y.mean(axis=0), bias - y.mean(axis=0)  # as features, whose means are not 0
    c_x, c_y = scale_to(x, 4.5), scale_to(y, 4.5)
    assert np.var(x * c_x) == pytest.approx(4.5) and abs(c_x / c_y - 1) > 0.5
    scaled = weight * c_y / c_x, c_y * bias
    np.testing.assert_allclose((x * c_x) @ scaled[0].T + scaled[1], y * c_y, atol=1e-9)
    right = unscaled(*scaled, c_x, c_y, bias_as="correct")
    wrong = unscaled(*scaled, c_x, c_y, bias_as="as_published")
    assert cosines(x @ right[0].T + right[1], y).min() == pytest.approx(1, abs=1e-12)
    assert cosines(x @ wrong[0].T + wrong[1], y).min() < 0.99


def test_gradient_steps_go_where_ridge_is():
    x, y, _, _ = (np.asarray(one, np.float32) for one in made_up(noise=0.5))
    exact = fit(parts(x, y), RidgeFit(), seed=0)
    steps = SgdFit(kind="sgd", epochs=60, weight_decay=0)
    found = fit(parts(x, y), steps, seed=0)
    assert exact.r2 > found.r2 > 0.95 * exact.r2
    np.testing.assert_array_equal(fit(parts(x, y), steps, seed=0).weight, found.weight)
    assert not np.array_equal(fit(parts(x, y), steps, seed=1).weight, found.weight)
    published = fit(parts(x, y), steps.model_copy(update={"bias": "as_published"}), seed=0)
    np.testing.assert_array_equal(published.weight, found.weight)
    assert published.r2 < found.r2


def test_fewer_images_than_features_are_regularised_and_said_so(caplog):
    x, y, _, _ = made_up(count=6, features=9)
    found = fit(parts(x, y), RidgeFit(), seed=0)
    assert found.penalty == 1e-3 and np.isfinite(found.weight).all()
    assert found.note == "6 images for 9 features leave the map open"
    assert "the penalty is raised from 0 to 0.001" in caplog.text


def test_features_that_never_change_or_depend_on_others_are_said_so():
    x, y, _, _ = made_up()
    dead = np.column_stack([x, np.full(len(x), 3.0)])
    double = np.column_stack([x, x[:, 0] * 2 - x[:, 1]])
    for features in (dead, double):
        found = fit(parts(features, y), RidgeFit(), seed=0)
        assert "8 features never change or follow from others" in found.note
        assert found.r2 == pytest.approx(1, abs=1e-6)


def test_what_cannot_be_fitted_is_refused():
    x, y, _, _ = made_up()
    with pytest.raises(InputError, match="alignment: 0 images; expected two or more"):
        fit([], RidgeFit(), seed=0)
    broken = x.copy()
    broken[70, 2] = np.nan
    with pytest.raises(InputError, match="of the backbone are not finite among images 65 to 128"):
        fit(parts(broken, y), RidgeFit(), seed=0)
    with pytest.raises(InputError, match="all targets are the same"):
        fit(parts(x, np.ones_like(y)), RidgeFit(), seed=0)


def test_means_that_are_large_beside_the_spread_cost_no_digits():
    x, y, _, _ = made_up(noise=1.0)
    near, far = NormalEquations(), NormalEquations()
    near.add(x, y)
    far.add(x + 1e6, y)
    np.testing.assert_allclose(near.solve(0)[0], far.solve(0)[0], rtol=1e-6)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A backbone, a CLIP, another one with other texts, and images."""
    folder = tmp_path_factory.mktemp("align")
    write_squares(folder / "squares", train=20, val=4, captions=False)
    save_backbone(create_backbone("test_resnet", size=32, seed=0), folder / "backbone")
    for seed in (0, 1):
        save(tiny_clip(folder, seed=seed), folder / f"clip{seed}")
    return folder


def align(models, output, text="clip0", **changes):
    config = AlignmentConfig(dataset="squares", pretraining="dino", model="tiny", **changes)
    job = AlignJob(
        config=config,
        backbone=models / "backbone",
        clip=models / "clip0",
        text=models / text,
        images=models / "squares/train",
        seed=0,
        batch_size=8,
    )
    return job.run(output)


def features(folder, models):
    images = ImageSet(models / "squares/train")
    return encode_images(load(folder), images, EncodeSettings(batch_size=7)).features


def test_plain_open_clip_loads_an_aligned_model_with_the_same_features(models, tmp_path):
    _, found = align(models, tmp_path / "aligned", text="clip1")
    assert found.note.startswith("20 images for 96 features") and found.r2 > 0.9
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}/aligned")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}/aligned")
    backbone = load_backbone(models / "backbone")
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        ours = backbone.model(images).double().numpy() @ found.weight.T + found.bias
        theirs = model.eval().encode_image(images).numpy()
        texts = load(models / "clip1").model.encode_text(tokenizer(["a cow"]))
        torch.testing.assert_close(model.encode_text(tokenizer(["a cow"])), texts)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert "0.485" in str(preprocess)
    assert isinstance(load(tmp_path / "aligned"), Clip)


def test_an_aligned_model_sees_what_the_clip_sees(models, tmp_path):
    """On the images of the fit, where few images leave nothing unexplained."""
    align(models, tmp_path / "aligned", fit={"kind": "ridge", "penalty": 1e-3})
    own, aligned = features(models / "clip0", models), features(tmp_path / "aligned", models)
    assert cosines(own, aligned).min() > 0.95


def test_fusion_adds_the_clips_own_feature(models, tmp_path):
    align(models, tmp_path / "alone")
    align(models, tmp_path / "fused", fusion=0.25)
    own, aligned = features(models / "clip0", models), features(tmp_path / "alone", models)
    expected = l2_normalise(0.25 * own + 0.75 * aligned)
    np.testing.assert_allclose(features(tmp_path / "fused", models), expected, atol=1e-5)
    assert load(tmp_path / "fused").logit_scale == load(models / "clip0").logit_scale
    with pytest.raises(InputError, match="a fused model is not one of open_clip's"):
        save(load(tmp_path / "fused"), tmp_path / "copy")
    align(models, tmp_path / "fused")  # without it again
    assert not (tmp_path / "fused" / FUSION_FILE).exists()


def test_a_fusion_with_another_model_than_then_is_refused(models, tmp_path):
    save(load(models / "clip0"), tmp_path / "base")
    config = AlignmentConfig(dataset="squares", pretraining="dino", model="tiny", fusion=0.5)
    job = AlignJob(
        config=config,
        backbone=models / "backbone",
        clip=tmp_path / "base",
        text=tmp_path / "base",
        images=models / "squares/val",
        seed=0,
    )
    job.run(tmp_path / "fused")
    assert load(tmp_path / "fused")
    save(load(models / "clip1"), tmp_path / "base")
    with pytest.raises(InputError, match=r"base is not there, or has changed since\. Align again"):
        load(tmp_path / "fused")


def test_the_published_normalisation_fits_other_features(models, tmp_path):
    own = align(models, tmp_path / "own")[1]
    published = align(models, tmp_path / "published", normalisation="as_published")[1]
    assert not np.allclose(own.bias, published.bias)


def test_two_spaces_do_not_mix(models, tmp_path):
    backbone = load_backbone(models / "backbone")
    from nicheclip.models.aligned import save_aligned

    with pytest.raises(InputError, match="text tower has 16 dimensions, the map 3"):
        save_aligned(
            backbone, np.zeros((3, 96)), np.zeros(3), load(models / "clip0"), tmp_path / "out"
        )


def test_the_config_names_one_clip():
    good = {"dataset": "a", "pretraining": "b"}
    for wrong, words in (
        ({}, "give one of run and model"),
        ({"run": "c", "model": "d"}, "give one of run and model"),
        ({"model": "d", "text": "original"}, "text: original needs run"),
    ):
        with pytest.raises(ValueError, match=words):
            AlignmentConfig(**good, **wrong)
