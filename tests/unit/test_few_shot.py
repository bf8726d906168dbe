import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sklearn.neighbors import NearestCentroid

from nicheclip.evaluation.folds import draw_folds, make_folds, read_folds, write_folds
from nicheclip.evaluation.measures import read_metrics
from nicheclip.evaluation.protocols.few_shot import few_shot, nearest_centroid
from nicheclip.models.features import l2_normalise, write_features
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG
from small_evaluation import (
    CONFIG,
    cell_file,
    image_id,
    judge_one,
    unit_features,
    write_catalog,
    write_classes,
)


def labels_of(sizes):
    names = [c for c, size in sizes.items() for _ in range(size)]
    return {image_id(i): c for i, c in enumerate(names)}


def sets_of(drawn):
    rows = pl.from_arrow(drawn.table)
    return {key: sorted(part["image_id"].to_list()) for key, part in rows.group_by("shots", "fold")}


def test_folds_have_the_right_sizes_and_leave_a_query():
    labels = labels_of({"a": 6, "b": 9})
    sets = sets_of(draw_folds(labels, [1, 5], folds=4, seed=0))
    assert set(sets) == {(s, f) for s in (1, 5) for f in range(4)}
    for (shots, _), ids in sets.items():
        assert len(set(ids)) == len(ids)
        assert sorted(labels[i] for i in ids) == ["a"] * shots + ["b"] * shots
    assert len({tuple(sets[5, f]) for f in range(4)}) > 1


def test_a_draw_depends_on_nothing_but_its_own_name():
    labels = labels_of({"a": 20, "b": 20})
    whole = sets_of(draw_folds(labels, [1, 5], folds=5, seed=3))
    backwards = dict(reversed(labels.items())) | {f"{i:x}".rjust(16, "f"): "new" for i in range(9)}
    alone = sets_of(draw_folds(backwards, [5], folds=3, seed=3))
    for fold in range(3):
        kept = [i for i in alone[5, fold] if backwards[i] != "new"]
        assert kept == whole[5, fold]
    assert sets_of(draw_folds(labels, [1, 5], folds=5, seed=4)) != whole


def test_small_classes_are_left_out_and_listed():
    drawn = draw_folds(labels_of({"a": 6, "b": 6, "c": 5, "d": 1}), [1, 5], folds=1, seed=0)
    assert [(d.key, d.reason) for d in drawn.excluded] == [
        ("d", "fewer than 2 images, 1-shot"),
        ("c", "fewer than 6 images, 5-shot"),
        ("d", "fewer than 6 images, 5-shot"),
    ]
    assert len(sets_of(drawn)[5, 0]) == 10


def test_nothing_to_judge_is_an_error():
    with pytest.raises(InputError, match="largest class: 5"):
        draw_folds(labels_of({"a": 5, "b": 5}), [5], folds=1, seed=0)


def test_every_image_is_drawn_equally_often():
    sets = sets_of(draw_folds(labels_of({"a": 4, "b": 4}), [1], folds=2000, seed=0))
    counts = pl.Series([i for ids in sets.values() for i in ids]).value_counts()["count"]
    # 500 each, standard deviation 19.4
    assert len(counts) == 8 and counts.min() > 430 and counts.max() < 570


def test_agrees_with_scikit_learn_on_centred_normalised_features():
    rng = np.random.default_rng(0)
    support = l2_normalise(rng.normal(size=(15, 6)) + 1)
    query = l2_normalise(rng.normal(size=(200, 6)) + 1)
    labels = ["abc"[i % 3] for i in range(15)]
    centre = support.mean(axis=0)
    peer = NearestCentroid().fit(l2_normalise(support - centre), labels)
    expected = peer.predict(l2_normalise(query - centre)).tolist()
    ids = [image_id(i) for i in range(200)]
    assert nearest_centroid(support, labels, query, ids) == expected


def test_centring_matters_by_hand():
    # all vectors share a large first part; the support mean (1, 0) takes it away, and the query
    # lies on b's side although its cosine to a's uncentred centroid is nearly as large
    support = l2_normalise(np.array([[10.0, 1.0], [10.0, -1.0]]))
    query = l2_normalise(np.array([[100.0, -0.1]]))
    assert nearest_centroid(support, ["a", "b"], query, [image_id(0)]) == ["b"]


def test_a_model_that_collapses_gets_what_guessing_gets():
    labels = {image_id(i): "ab"[i % 2] for i in range(600)}
    images = unit_features(np.ones((600, 4)))
    folds = {(1, 0): [image_id(0), image_id(1)]}
    assert few_shot(images, labels, folds)[1][0] == pytest.approx(0.5, abs=0.07)


def test_folds_of_another_split_are_refused():
    labels = labels_of({"a": 3, "b": 3})
    images = unit_features(np.eye(6))
    with pytest.raises(InputError, match="not in the split"):
        few_shot(images, labels, {(1, 0): [image_id(0), image_id(99)]})
    with pytest.raises(InputError, match="class a does not have 1"):
        few_shot(images, labels, {(1, 0): [image_id(0), image_id(1), image_id(3)]})


def write_cell_files(folder, features):
    """A test split of 30 images in three classes, and a task's folds of the chosen classes."""
    write_catalog(folder / "catalog.parquet", {"test": 30})
    write_classes(folder / "classes.parquet")
    write_features(folder / "features" / "seed0" / "images.safetensors", unit_features(features))


def test_the_whole_cell_from_files(tmp_path):
    rng = np.random.default_rng(0)
    separable = np.eye(3)[np.arange(30) % 3] * 5 + rng.normal(size=(30, 3)) * 0.01
    write_cell_files(tmp_path, separable)
    catalog, folds = tmp_path / "catalog.parquet", tmp_path / "folds.parquet"
    config = CONFIG.model_copy(update={"shots": [1, 5]})
    groups = {"all": list("abc")}
    assert make_folds(config, catalog=catalog, groups=groups, seed=0, path=folds) == []
    assert len(read_folds(folds)) == 10
    metrics = judge_one(tmp_path, "few_shot", folds, shots=[1, 5])
    one, five = (metrics.find("top1", shots=shots) for shots in "15")
    assert one.value == 1.0 and five.std == 0.0 and one.n == 5
    assert five.chance == pytest.approx(1 / 3) and five.classes == 3
    assert read_metrics(cell_file(tmp_path, "few_shot", "metrics.json")) == metrics
    assert not cell_file(tmp_path, "few_shot", "predictions.parquet").exists()
    drawn = draw_folds({image_id(i): "abc"[i % 3] for i in range(30)}, [1, 5], 5, 0)
    write_folds(tmp_path / "again.parquet", drawn)
    assert (tmp_path / "again.parquet").read_bytes() == folds.read_bytes()


def test_folds_and_queries_are_of_the_chosen_classes(tmp_path):
    write_cell_files(tmp_path, np.eye(3)[np.arange(30) % 3])
    # a and b alone have train images where seen classes come from
    seen = [
        dict.fromkeys(CATALOG.names)
        | {"image_id": image_id(i), "class_id": c, "split": "train", "part": 0}
        for i, c in enumerate("ab")
    ]
    write_parquet(tmp_path / "seen.parquet", pa.Table.from_pylist(seen, schema=CATALOG))
    catalog, folds = tmp_path / "catalog.parquet", tmp_path / "folds.parquet"
    config = CONFIG.model_copy(update={"shots": [1], "classes": "seen", "seen_in": "squares"})
    groups = {"all": list("abc"), "seen": list("ab")}
    make_folds(config, catalog=catalog, groups=groups, seed=0, path=folds)
    assert {int(i, 16) % 3 for ids in read_folds(folds).values() for i in ids} == {0, 1}
    metrics = judge_one(tmp_path, "few_shot", folds, shots=[1], classes="seen", seen_in="squares")
    assert (metrics.n, metrics.classes, metrics.excluded) == (20, 2, [])
    one = metrics.find("top1", shots="1")
    assert one.chance == 0.5 and one.value == 1.0
    assert metrics.counts == {"images_of_other_classes": 10}


def test_without_folds_there_is_nothing_to_judge(tmp_path):
    write_cell_files(tmp_path, np.eye(3)[np.arange(30) % 3])
    with pytest.raises(InputError, match="no folds"):
        judge_one(tmp_path, "few_shot")


def test_nearest_neighbours_of_real_features_agree_with_the_reference():
    folder = Path(os.environ.get("NICHECLIP_REAL_DATA", "/nonexistent")) / "e-bioclip2-1030"
    if not folder.is_dir():
        pytest.skip("NICHECLIP_REAL_DATA with e-bioclip2-1030 is not there")
    table = pl.read_parquet(folder / "data" / "example_1k.parquet")
    features = l2_normalise(np.asarray(table["emb"].to_list(), dtype=np.float32))
    cosines = features @ features.T
    np.fill_diagonal(cosines, -2)
    nearest = cosines.argmax(axis=1)
    reference = {"kingdom": 0.802, "phylum": 0.758, "class": 0.667, "order": 0.442, "family": 0.370}
    for rank, expected in reference.items():
        names = table[rank].fill_null("").to_numpy()
        occurs = {name: count for name, count in table[rank].value_counts().iter_rows() if name}
        judged = np.array([occurs.get(name, 0) > 1 for name in names])
        assert np.mean(names[nearest] == names, where=judged) == pytest.approx(expected, abs=1e-3)
