import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from nicheclip.config.evaluation import CaptionTexts
from nicheclip.evaluation import zero_shot as module
from nicheclip.evaluation.class_texts import ClassEmbeddings
from nicheclip.evaluation.predictions import (
    read_group_predictions,
    read_predictions,
    write_group_predictions,
    write_predictions,
)
from nicheclip.evaluation.ranking import TIE, _rank_by_full_sort, rank
from nicheclip.evaluation.zero_shot import class_probabilities, zero_shot
from nicheclip.models.features import l2_normalise
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    CELL,
    CONFIG,
    image_id,
    predictions_of,
    small_shards,
    tiny_clip,
    unit_features,
    write_captions,
    write_classes,
    write_texts,
)


def problem(n=200, classes=7, d=5, seed=0):
    rng = np.random.default_rng(seed)
    images = unit_features(rng.normal(size=(n, d)))
    vectors = l2_normalise(rng.normal(size=(classes, d)))
    embeddings = ClassEmbeddings(list("abcdefg")[:classes], vectors)
    labels = {i: "abcdefg"[k % classes] for k, i in enumerate(images.image_ids)}
    return images, labels, embeddings


def test_agrees_with_scikit_learn():
    images, labels, classes = problem()
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    truth = [labels[i] for i in images.image_ids]
    cosines = images.features @ classes.embeddings.T
    best = np.asarray(classes.class_ids)[cosines.argmax(axis=1)]
    assert result.correct().mean() == pytest.approx(accuracy_score(truth, best))
    for k in (3, 5):
        expected = top_k_accuracy_score(truth, cosines, k=k, labels=classes.class_ids)
        assert result.correct(k).mean() == pytest.approx(expected)


def test_scores_are_probabilities_over_all_classes():
    images, labels, classes = problem()
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    expected = np.sort(softmax(20 * images.features @ classes.embeddings.T, axis=1))[:, ::-1][:, :5]
    np.testing.assert_allclose(result.scores, expected, rtol=1e-4)


def test_two_classes_by_hand():
    probabilities = class_probabilities(np.array([[0.5, 0.4]]), logit_scale=10.0)
    np.testing.assert_allclose(probabilities[0, 0], np.e / (np.e + 1))


def test_order_of_images_chunks_and_scale_do_not_matter(monkeypatch):
    images, labels, classes = problem()
    whole = zero_shot(images, labels, classes, logit_scale=20.0)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert zero_shot(images, labels, classes, logit_scale=20.0).classes == whole.classes
    assert zero_shot(images, labels, classes, logit_scale=1.0).best == whole.best


def test_equal_scores_favour_no_column_and_follow_from_the_image():
    ids = [image_id(i) for i in range(3000)]
    scores = np.full((3000, 3), 0.25) + np.random.default_rng(0).uniform(-2e-7, 2e-7, (3000, 3))
    first = rank(scores, ids, 1)[:, 0]
    # 3 standard errors of a share of 1/3
    np.testing.assert_allclose(np.bincount(first) / 3000, 1 / 3, atol=0.026)
    np.testing.assert_array_equal(rank(scores[::-1], ids[::-1], 1)[::-1, 0], first)


def test_a_tie_below_the_first_place_leaves_the_first_alone():
    scores = np.array([[0.1, 0.9, 0.1, 0.1]] * 50)
    order = rank(scores, [image_id(i) for i in range(50)], 3)
    assert set(order[:, 0]) == {1} and set(order[:, 1]) == {0, 2, 3}
    assert all(len(set(row)) == 3 for row in order)


def test_predictions_file_round_trip(tmp_path):
    images, labels, classes = problem(n=5)
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    write_predictions(tmp_path / "p.parquet", result)
    back = read_predictions(tmp_path / "p.parquet")
    assert (back.image_ids, back.labels, back.classes) == (
        result.image_ids,
        result.labels,
        result.classes,
    )
    np.testing.assert_allclose(back.scores, result.scores, rtol=1e-6)


def test_group_predictions_file_round_trip(tmp_path):
    groups = {
        ("taxon", "unseen"): predictions_of([("a", "a"), ("b", "c")]),
        ("sci", "all"): predictions_of([("c", "a"), ("b", "b"), ("a", "a")]),
    }
    write_group_predictions(tmp_path / "p.parquet", groups)
    back = read_group_predictions(tmp_path / "p.parquet")
    assert list(back) == list(groups)
    for key, found in back.items():
        assert (found.image_ids, found.labels) == (groups[key].image_ids, groups[key].labels)
        assert found.classes == groups[key].classes
        np.testing.assert_allclose(found.scores, groups[key].scores, rtol=1e-6)


def test_the_whole_cell_from_files(tmp_path):
    from nicheclip.evaluation.text_cells import evaluate_zero_shot, read_class_texts
    from nicheclip.models.encode import encode_images
    from nicheclip.models.features import write_features
    from nicheclip.models.openclip import save

    shards = small_shards(tmp_path)["test"]
    clip = tiny_clip(tmp_path / "registry")
    save(clip, tmp_path / "model")
    write_features(tmp_path / "features", encode_images(clip, shards, batch_size=4))
    write_classes(tmp_path / "classes.parquet")
    write_texts(tmp_path / "texts.parquet")
    long = "long " * 20
    (tmp_path / "photo.yaml").write_text(f"templates: ['a {{}}.', '{long}{{}}']\n")
    texts = read_class_texts(
        CONFIG, texts=tmp_path / "texts.parquet", source=tmp_path / "photo.yaml"
    )

    def run(class_texts, config=CONFIG, class_ids="abc"):
        return evaluate_zero_shot(
            CELL,
            config,
            model=tmp_path / "model",
            features=tmp_path / "features",
            catalog=tmp_path / "catalog.parquet",
            classes=tmp_path / "classes.parquet",
            class_ids=list(class_ids),
            class_texts=class_texts,
            seed=0,
            batch_size=8,
            device="cpu",
            predictions=tmp_path / "out" / "predictions.parquet",
            metrics=tmp_path / "out" / "metrics.json",
        )

    metrics = run(texts)
    assert (metrics.n, metrics.classes, metrics.chance) == (9, 3, pytest.approx(1 / 3))
    assert metrics.counts == {"texts": 6, "texts_cut": 3}
    predictions = read_predictions(tmp_path / "out" / "predictions.parquet")
    assert metrics.top1.value == pytest.approx(predictions.correct().mean())
    assert metrics.top3 is None and metrics.hierarchical is None
    first = (tmp_path / "out" / "predictions.parquet").read_bytes()
    run(texts)
    assert (tmp_path / "out" / "predictions.parquet").read_bytes() == first
    captioned = CONFIG.model_copy(
        update={"class_texts": CaptionTexts(kind="captions", captions="c", split="all")}
    )
    write_captions(tmp_path / "captions.parquet", [("a", "one", "accepted", "train")])
    found = read_class_texts(
        captioned, texts=tmp_path / "texts.parquet", source=tmp_path / "captions.parquet"
    )
    assert found == {"a": ["one"]}
    seen = CONFIG.model_copy(update={"classes": "seen", "seen_in": "squares"})
    fewer = run(texts, seen, "ac")
    assert (fewer.n, fewer.classes, fewer.counts["images_of_other_classes"]) == (6, 2, 3)
    with pytest.raises(InputError, match="have none: b"):
        run({"a": ["x"], "c": ["y"]})


@pytest.mark.parametrize("columns", [3, 6, 7, 40, 500])
def test_the_best_columns_are_those_of_a_full_sort(columns):
    # chains of near-equal scores in, across and below the top five; whole rows of equal scores
    rng = np.random.default_rng(columns)
    scores = rng.random((400, columns)).astype(np.float32)
    scores[:100] = np.round(scores[:100], 1)
    scores[100:200] += 0.8 * np.float32(TIE) * rng.integers(0, 4, (100, columns))
    scores[200:220] = 0.5
    scores[220:300, : columns // 2] = scores[220:300, columns // 2 : columns // 2 * 2]
    ids = [image_id(i) for i in range(400)]
    for top in (1, 5):
        np.testing.assert_array_equal(rank(scores, ids, top), _rank_by_full_sort(scores, ids, top))
