import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.config.text_sets import GallerySet
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.gallery import make_gallery, read_gallery
from nicheclip.evaluation.predictions import read_predictions
from nicheclip.evaluation.protocols import retrieval as module
from nicheclip.evaluation.protocols.retrieval import retrieve
from nicheclip.evaluation.text_sets import GalleryEmbeddings, write_gallery_embeddings
from nicheclip.models.features import l2_normalise, write_features
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    cell_file,
    encode_all,
    image_id,
    judge_one,
    small_image_sets,
    tiny_clip,
    unit_features,
    write_catalog,
    write_classes,
    write_image_sets,
)


def judge(images, labels, texts, features_of):
    gallery = make_gallery(labels, texts)
    ids = [image_id(i) for i in range(len(labels))]
    features = np.asarray([features_of[text] for text in gallery.texts], dtype=np.float32)
    return retrieve(ids, np.asarray(images, np.float32), labels, texts, gallery, features)


def test_by_class_and_by_item_by_hand():
    features = {"p": [1, 0, 0], "q": [0, 1, 0], "r": [0, 0, 1]}
    images = [[1, 0, 0], [0.8, 0.6, 0], [0, 0.6, 0.8]]
    # image 1 finds p: right class, not its own q. image 2 finds its own r
    result = judge(images, ["a", "a", "b"], ["p", "q", "r"], features)
    np.testing.assert_allclose(result.by_class, [1, 1, 1])
    np.testing.assert_allclose(result.by_item, [1, 0, 1])
    # two of three texts are of class a: (2/3 + 2/3 + 1/3) / 3
    assert result.chance_by_class == pytest.approx(5 / 9)
    assert result.chance_by_item == pytest.approx(1 / 3)
    assert result.predictions.classes == [["a", "b"], ["a", "b"], ["b", "a"]]
    np.testing.assert_allclose(result.predictions.scores[1], [0.8, 0.0], atol=1e-7)


def test_items_that_share_a_caption_share_a_place_in_the_gallery():
    gallery = make_gallery(["a", "a", "b"], ["same", "same", "other"])
    assert (gallery.class_ids, gallery.texts) == (["a", "b"], ["same", "other"])


def test_a_text_of_two_classes_gives_each_half_of_the_credit():
    features = {"shared": [1, 0], "own": [0, 1]}
    result = judge([[1, 0], [1, 0]], ["a", "b"], ["shared", "shared"], features)
    np.testing.assert_allclose(result.by_class, [0.5, 0.5])
    np.testing.assert_allclose(result.by_item, [1, 1])


@pytest.mark.parametrize("noise", [0, 2e-8])
def test_a_model_that_collapses_all_texts_scores_exactly_chance(noise):
    rng = np.random.default_rng(0)
    labels = ["a"] * 50 + ["b"] * 5 + ["c"] * 5
    texts = [f"text {i}" for i in range(60)]
    features = {t: np.array([0.6, 0.8]) + rng.uniform(-noise, noise, 2) for t in texts}
    result = judge(l2_normalise(rng.normal(size=(60, 2))), labels, texts, features)
    assert result.by_class.mean() == pytest.approx(result.chance_by_class)
    assert result.chance_by_class == pytest.approx((50**2 + 5**2 + 5**2) / 60**2)
    assert result.by_item.mean() == pytest.approx(result.chance_by_item) == pytest.approx(1 / 60)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_chance_is_the_mean_over_random_rankings_and_order_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    n = 12
    labels = [str(c) for c in rng.choice(list("abc"), n)]
    texts = [f"t{i}" for i in rng.integers(0, 9, n)]
    features = {f"t{i}": vector for i, vector in enumerate(l2_normalise(rng.normal(size=(9, 4))))}
    images = l2_normalise(rng.normal(size=(n, 4)))
    result = judge(images, labels, texts, features)
    order = rng.permutation(n)
    shuffled = judge(images[order], [labels[i] for i in order], [texts[i] for i in order], features)
    np.testing.assert_allclose(shuffled.by_class, result.by_class[order])
    np.testing.assert_allclose(shuffled.by_item, result.by_item[order])
    gallery = make_gallery(labels, texts)
    expected = np.mean([[label == g for g in gallery.class_ids] for label in labels])
    assert result.chance_by_class == pytest.approx(expected)


def test_chunks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    labels, texts = list("abcabc"), [f"t{i}" for i in range(6)]
    features = dict(zip(texts, l2_normalise(rng.normal(size=(6, 4))), strict=True))
    images = l2_normalise(rng.normal(size=(6, 4)))
    whole = judge(images, labels, texts, features)
    monkeypatch.setattr(module, "CHUNK", 4)
    parts = judge(images, labels, texts, features)
    np.testing.assert_array_equal(parts.by_item, whole.by_item)
    assert parts.predictions == whole.predictions
    assert parts.chance_by_class == pytest.approx(whole.chance_by_class)


def test_the_whole_cell_from_files(tmp_path):
    from nicheclip.models.encode import ClipEncoder
    from nicheclip.models.encode_settings import EncodeSettings
    from nicheclip.models.openclip import load, save

    small_image_sets(tmp_path)
    save(tiny_clip(tmp_path / "registry"), tmp_path / "model")
    write_classes(tmp_path / "classes.parquet")

    def encode(split):
        return encode_all(
            tmp_path,
            split,
            [GallerySet()],
            lambda folder: ClipEncoder(load(folder), EncodeSettings(batch_size=8, device="cpu")),
        )

    encode("test")
    metrics = judge_one(tmp_path, "retrieval")
    assert metrics.counts["gallery"] == 9 and metrics.n == 9
    by_class, by_item = (metrics.find("recall_at_1", by=by) for by in ("class", "item"))
    assert by_class.chance == pytest.approx(1 / 3)
    assert by_item.chance == pytest.approx(1 / 9)
    assert metrics.excluded == []
    predictions = read_predictions(cell_file(tmp_path, "retrieval", "predictions.parquet"))
    assert len(predictions.image_ids) == 9
    assert metrics.find("top1").value == pytest.approx(predictions.correct().mean())
    encode("train")
    with pytest.raises(InputError, match="forcerun encode"):
        judge_one(tmp_path, "retrieval")


def test_images_without_a_caption_have_no_place_and_are_listed(tmp_path):
    catalog = write_catalog(tmp_path / "catalog.parquet", {"test": 6})
    captions = {image_id(0): "of a", image_id(1): "of b", image_id(3): "of a", image_id(4): "b"}
    write_image_sets(tmp_path, catalog, captions)
    items = read_gallery(ImageSet(tmp_path / "test"), tmp_path / "captions/test.arrow")
    assert (items.gallery.class_ids, items.gallery.texts) == (
        ["a", "b", "b"],
        ["of a", "b", "of b"],
    )
    own = dict(zip(items.image_ids, zip(items.labels, items.texts, strict=True), strict=True))
    assert own == {i: ("ab"[int(i, 16) % 3], text) for i, text in captions.items()}
    vectors = np.eye(3, 4, dtype=np.float32)
    folder = tmp_path / "features" / "seed0"
    write_gallery_embeddings(
        folder / "texts" / "gallery.safetensors", GalleryEmbeddings(items, vectors, 1, 20.0), "k"
    )
    # images 0, 1 and 3 find their own text, 4 that of image 1
    rows = np.eye(4)[[0, 2, 3, 0, 2, 3]]
    write_features(folder / "images.safetensors", unit_features(rows))
    write_classes(tmp_path / "classes.parquet")
    metrics = judge_one(tmp_path, "retrieval")
    assert [d.key for d in metrics.excluded] == [image_id(2), image_id(5)]
    assert (metrics.n, metrics.classes) == (4, 2)
    assert metrics.find("recall_at_1", by="class").value == 1.0
    assert metrics.find("recall_at_1", by="item").value == 0.75
    assert metrics.counts == {"gallery": 3, "texts_cut": 1}


def test_no_caption_at_all_is_an_error(tmp_path):
    write_image_sets(tmp_path, write_catalog(tmp_path / "catalog.parquet", {"test": 3}), {})
    with pytest.raises(InputError, match="leave out the retrieval protocol"):
        read_gallery(ImageSet(tmp_path / "test"), tmp_path / "captions/test.arrow")
