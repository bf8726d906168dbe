import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from nicheclip.models.encode import encode_images, encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import (
    ImageFeatures,
    l2_normalise,
    read_features,
    read_key,
    write_features,
)
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError
from small_evaluation import image_id, small_image_sets, tiny_clip, unit_features


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("registry"))


def peer(clip):
    """open_clip's own preprocessing."""
    config = open_clip.transform.PreprocessCfg(**clip.model.visual.preprocess_cfg)
    return open_clip.transform.image_transform_v2(config, is_train=False)


def test_image_features_are_the_models_own_whatever_batches_and_threads(tmp_path, clip):
    images = small_image_sets(tmp_path)["test"]
    first = encode_images(clip, images, EncodeSettings(batch_size=4, threads=1))
    second = encode_images(clip, images, EncodeSettings(batch_size=9, threads=3))
    assert first.image_ids == second.image_ids == images.image_ids
    np.testing.assert_allclose(first.features, second.features, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(first.features, axis=1), 1, atol=1e-6)
    image = Image.open(io.BytesIO(images.read(5).encoded))
    with torch.inference_mode():
        one = clip.model.encode_image(peer(clip)(image)[None], normalize=True)
    np.testing.assert_allclose(first.features[5], one[0].numpy(), atol=1e-6)


def test_mixed_precision_computes_less_exactly_and_stores_the_same_numbers(tmp_path, clip):
    images, texts = small_image_sets(tmp_path)["test"], ["a fly", "a bee on a leaf"]
    exact = encode_images(clip, images, EncodeSettings(batch_size=4))
    mixed = encode_images(clip, images, EncodeSettings(batch_size=4, precision="bfloat16"))
    assert mixed.features.dtype == exact.features.dtype == np.float32
    difference = np.abs(mixed.features - exact.features).max()
    assert 1e-5 < difference < 0.02  # bfloat16 has eight bits of a number
    whole = encode_texts(clip, texts, EncodeSettings(batch_size=2)).features
    halved = encode_texts(clip, texts, EncodeSettings(batch_size=2, precision="bfloat16")).features
    assert 1e-5 < np.abs(whole - halved).max() < 0.02
    again = encode_images(clip, images, EncodeSettings(batch_size=4))
    np.testing.assert_array_equal(exact.features, again.features)


def test_texts_beyond_the_context_are_cut_and_counted(clip):
    # the context is 12 tokens: start, ten words, end
    texts = ["a " * 9, "a " * 10, "a " * 11, "a " * 40]
    encoded = encode_texts(clip, texts, EncodeSettings(batch_size=3))
    assert encoded.cut.tolist() == [False, False, True, True]
    np.testing.assert_allclose(encoded.features[2], encoded.features[3], atol=1e-6)
    assert np.abs(encoded.features[0] - encoded.features[1]).max() > 1e-4
    np.testing.assert_allclose(np.linalg.norm(encoded.features, axis=1), 1, atol=1e-6)


def test_features_file_round_trip_is_exact_and_the_same_bytes(tmp_path):
    images = unit_features(np.random.default_rng(0).normal(size=(5, 7)))
    for name in ("a", "b"):
        write_features(tmp_path / name, images)
    back = read_features(tmp_path / "a")
    assert back.image_ids == images.image_ids
    np.testing.assert_array_equal(back.features, images.features)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_split_without_images_round_trips(tmp_path):
    write_features(tmp_path / "f", ImageFeatures(np.zeros((0, 4), np.float32), []))
    assert read_features(tmp_path / "f").image_ids == []


def test_broken_features_files_are_named(tmp_path):
    path = tmp_path / "features.safetensors"
    with pytest.raises(InputError, match=r"features\.safetensors"):
        read_features(path)
    write_features(path, unit_features(np.eye(3)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="forcerun encode"):
        read_features(path)
    with pytest.raises(InputError, match="'short'"):
        write_features(path, ImageFeatures(np.eye(1, dtype=np.float32), ["short"]))


def test_rows_come_in_the_order_asked_for():
    images = unit_features(np.eye(3))
    np.testing.assert_array_equal(images.rows([image_id(2), image_id(0)]), np.eye(3)[[2, 0]])
    with pytest.raises(InputError, match=image_id(7)):
        images.rows([image_id(7)])


def test_a_row_of_zeros_stays_zero():
    np.testing.assert_allclose(l2_normalise(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [0, 0]])


def test_golden_clip_features_give_the_published_probabilities():
    root = Path(os.environ.get("NICHECLIP_REAL_DATA", "/nonexistent"))
    folder = root / "e-npclip-golden" / "data"
    if not folder.is_dir():
        pytest.skip("NICHECLIP_REAL_DATA with e-npclip-golden is not there")
    images = l2_normalise(np.load(folder / "image_features.npy").reshape(1, -1))
    texts = l2_normalise(np.load(folder / "text_features.npy"))
    probabilities = softmax(100 * images @ texts.T, axis=1)
    np.testing.assert_allclose(probabilities[0], [0.99279, 0.00421, 0.00300], atol=2e-5)


def test_a_file_whose_content_is_not_what_was_written_has_no_key(tmp_path):
    path = tmp_path / "features.safetensors"
    write_features(path, unit_features(np.eye(4)), "k")
    assert read_key(path) == "k"
    content = bytearray(path.read_bytes())
    content[-70] ^= 1  # inside a tensor; the header stays whole
    path.write_bytes(content)
    read_features(path)
    assert read_key(path) is None
