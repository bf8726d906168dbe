"""FAIR on a small task: runs, kills, pieces and processes, what is saved, bad input."""

import numpy as np
import pytest
import torch
from fair_objective import first_batch, objective_of
from torch.nn.functional import normalize

from nicheclip.adaptation.trained.fair import OBJECTIVE
from nicheclip.data.image_set import ImageSet
from nicheclip.models.classifier import read_classifier
from nicheclip.models.deltas import DELTA_FILE
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_adaptation import (
    adapt,
    bytes_of,
    fair,
    in_two_processes,
    killed,
    small_task,
    small_texts,
)
from small_training import start_model, write_squares


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def adapted(task):
    folder = task.folder / "adapted"
    return folder, adapt(task, folder, fair())


# --- the run


def test_the_loss_falls_and_the_report_has_the_facts(adapted):
    folder, report = adapted
    assert report.final["loss"] < read_history(folder)[0]
    assert report.trainable == 384 + 3 * 16
    assert report.facts == {"images": 20, "classes": 3}


def read_history(folder):
    header, *rows = (folder / "out/history.csv").read_text().splitlines()
    place = header.split(",").index("loss")
    return [float(row.split(",")[place]) for row in rows]


def test_the_result_is_a_subject(task, adapted):
    """A delta of the image tower alone, and a classifier; both are what the run ended with."""
    folder, _ = adapted
    classifier = read_classifier(folder / "out/classifier.safetensors")
    assert classifier.class_ids == ("a", "b", "c")
    assert classifier.class_names == ("Red thing", "Green thing", "Blue thing")
    assert classifier.logit_scale == pytest.approx(load(task.start).logit_scale)
    np.testing.assert_allclose(np.linalg.norm(classifier.anchors, axis=1), 1, rtol=1e-5)
    before, after = load(task.start).tensors(), load(folder / "out").tensors()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all(name.startswith("visual.") and ".ln_" in name for name in changed)
    features = encode_images(
        load(folder / "out"), task.images, EncodeSettings(batch_size=8)
    ).features
    assert (features @ classifier.anchors.T).shape == (20, 3)


@pytest.mark.parametrize("train", ["lora", "k_adaptation"])
def test_what_attention_learned_is_saved_in_its_weights(tmp_path, task, train):
    """The saved model gives the same features as the module had in the end."""
    kept = {}
    original = OBJECTIVE.save

    def save(self, folder):
        with self.module.tower.evaluating():
            batch = first_batch(self)
            kept["features"] = self.module.tower(batch["plain"]).features
        original(self, folder)
        with self.module.tower.evaluating():
            assert self.module.tower(batch["plain"]).features.equal(kept["features"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OBJECTIVE, "save", save)
        adapt(task, tmp_path, fair(train=train))
    rows = [3, 0, 11, 7, 16]
    clip = load(tmp_path / "out")
    found = encode_images(clip, task.images, EncodeSettings(batch_size=8)).features[rows]
    np.testing.assert_allclose(found, kept["features"].numpy(), atol=1e-5)
    untouched = encode_images(load(task.start), task.images, EncodeSettings(batch_size=8)).features[
        rows
    ]
    assert np.abs(found - untouched).max() > 1e-3


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path, task, adapted):
    adapt(task, tmp_path / "adapted", fair())
    again = bytes_of(tmp_path / "adapted")
    first = bytes_of(adapted[0])
    assert again[DELTA_FILE] == first[DELTA_FILE]
    assert again["classifier.safetensors"] == first["classifier.safetensors"]
    assert again["history.csv"] == first["history.csv"]
    adapt(task, tmp_path / "other", fair(), seed=1)
    assert bytes_of(tmp_path / "other")[DELTA_FILE] != first[DELTA_FILE]


@pytest.mark.parametrize(
    ("at_step", "changes"),
    [(2, {}), (5, {}), (4, {"train": "k_adaptation", "weight": "relative_ratio"})],
)
def test_killed_and_resumed_gives_the_same_bytes(tmp_path, task, adapted, at_step, changes):
    """Three steps an epoch: within the first, the second, and after the first of the second."""
    options = fair(**changes)
    killed(task, tmp_path / "killed", options, at_step=at_step)
    report = adapt(task, tmp_path / "killed", options)
    assert report.resumed_at_steps == [at_step - 1]
    if changes:
        adapt(task, tmp_path / "whole", options)
    whole = tmp_path / "whole" if changes else adapted[0]
    names = (DELTA_FILE, "classifier.safetensors", "history.csv")
    one, other = bytes_of(tmp_path / "killed"), bytes_of(whole)
    assert [one[name] for name in names] == [other[name] for name in names]


def test_in_bfloat16_scores_and_logits_stay_float32(task):
    objective = objective_of(task, relevance="feature")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = objective.module(first_batch(objective))
    exact = objective.module(first_batch(objective))
    for name, values in found.items():
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, exact[name], rtol=0, atol=0.3)
    bfloat16 = found["scores"].detach().bfloat16().float()
    assert not bfloat16.equal(found["scores"]), "they were rounded"


def test_pieces_give_the_loss_of_the_whole(tmp_path, task, adapted):
    report = adapt(task, tmp_path, fair(accumulation=2))
    assert report.final["loss"] == pytest.approx(adapted[1].final["loss"], abs=1e-4)


def test_two_processes_adapt_like_one(tmp_path, task):
    """The moving average and the mean weight are those of the whole batch. A larger eps keeps
    AdamW from making much of gradients that are almost 0.
    """
    optimizer = {"lr": 1e-2, "weight_decay": 0.1, "eps": 1e-3}
    options = fair(optimizer=optimizer, weight="relative_ratio", epochs=2)
    adapt(task, tmp_path / "one", options)
    in_two_processes(task, tmp_path / "two", options)
    one, two = (
        read_classifier(tmp_path / folder / "out/classifier.safetensors").anchors
        for folder in ("one", "two")
    )
    np.testing.assert_allclose(one, two, atol=1e-5)
    start = OBJECTIVE(
        options, start=task.start, images=task.images, texts=task.texts, seed=0
    ).description_anchors()
    assert np.abs(one - start.numpy()).max() > 1e-3


def test_labels_are_not_reachable(task):
    """There is no file of labels, and nothing that the method is given has them."""
    assert not list(task.folder.rglob("squares/train/labels.arrow"))
    assert isinstance(objective_of(task).images, ImageSet)
    assert not hasattr(objective_of(task).images, "class_id")


# --- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_crops": 4}, "top_crops: 4 of 3 crops; expected at most as many"),
        ({"crop_side": [0.9, 0.5]}, "crop_side: expected 0 < low <= high <= 1"),
        ({"crops": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fair(**changes)


def test_one_class_is_refused(task):
    texts = task.texts
    alone = type(texts)(
        ("a",), type(texts.descriptions).of(["Red thing"], [texts.descriptions.features[:2]])
    )
    with pytest.raises(InputError, match=r"one class \('Red thing'\); expected at least two"):
        OBJECTIVE(fair(), start=task.start, images=task.images, texts=alone, seed=0)


def test_fewer_images_than_classes_are_refused(tmp_path, task):
    write_squares(tmp_path, train=2, val=0, tars=1)
    with pytest.raises(InputError, match="2 images for 3 classes; expected at least as many"):
        OBJECTIVE(
            fair(),
            start=task.start,
            images=ImageSet(tmp_path / "train"),
            texts=task.texts,
            seed=0,
        )


def test_a_resnet_is_refused(tmp_path, task):
    start = start_model(tmp_path, "tiny-resnet")
    with pytest.raises(InputError, match=r"visual tower \(ModifiedResNet\) has no \[CLS\] token"):
        OBJECTIVE(fair(), start=start, images=task.images, texts=small_texts(start), seed=0)


def test_texts_of_another_model_and_missing_details_are_refused(task):
    texts = task.texts
    features = normalize(torch.randn(9, 8), dim=1)
    other = type(texts.descriptions)(texts.class_names, features, texts.descriptions.owners)
    given = {"start": task.start, "images": task.images, "seed": 0}
    with pytest.raises(InputError, match="features of 8 dimensions, the start model has 16"):
        OBJECTIVE(fair(), texts=type(texts)(texts.class_ids, other), **given)
    bare = type(texts)(texts.class_ids, texts.descriptions)
    with pytest.raises(InputError, match="`labels: coder` needs attributes and analogies"):
        OBJECTIVE(fair(labels="coder"), texts=bare, **given)
