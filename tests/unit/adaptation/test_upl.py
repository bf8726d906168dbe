"""UPL against its equations in loops."""

import math

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from nicheclip.adaptation.trained.upl import Upl, confident_images
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.encode import encode_images, encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_trained import (
    check_resumes,
    classifier,
    count,
    method,
    on_vit_b_32,
    one_step,
    reached,
    task_texts,
)

UPL = {"context_tokens": 2, "images_per_class": 3}


def literal_choice(logits, per_class, value):
    """For each class its images by falling ``value``, the first ``per_class``."""
    chosen = {}
    for c in range(len(logits[0])):
        own = [i for i, row in enumerate(logits) if max(row) == row[c]]
        own.sort(key=lambda i: -value(logits[i], c))
        chosen |= dict.fromkeys(own[:per_class], c)
    return chosen


@pytest.mark.parametrize("rank_by", ["logit", "probability"])
def test_the_surest_images_of_each_class_are_chosen(rank_by):
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def value(row, c):
        return row[c] if rank_by == "logit" else math.exp(row[c]) / sum(map(math.exp, row))

    rows, labels = confident_images(3 * logits, 4, rank_by)
    found = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    assert found == literal_choice((3 * logits).tolist(), 4, value)


def test_an_image_counts_for_its_class_alone_and_a_class_may_have_none():
    logits = torch.tensor([[9.0, 8, 0], [5.0, 4, 0], [1.0, 2, 0], [7.0, 1, 0], [9.0, 0, 0]])
    rows, labels = confident_images(logits, 2)
    assert rows.tolist() == [0, 4, 2] and labels.tolist() == [0, 0, 1]


def test_published_hyperparameters_and_8192_parameters(task, monkeypatch):
    options = method("upl", epochs=50, batch_size=32)
    assert options == type(options)(kind="upl")
    assert (options.images_per_class, options.context_tokens) == (16, 16)
    assert (options.optimizer.lr, options.optimizer.momentum) == (2e-3, 0.9)
    monkeypatch.setattr(Upl, "_zero_shot", lambda self: torch.eye(13, 10))
    assert count(on_vit_b_32(task, monkeypatch, "upl")) == 8192


def batch_of(task, objective):
    """The first batch, by the plan's first four samples."""
    return objective.reader.read(BatchPlan(0, 0, np.arange(4)))


def test_labels_are_those_of_the_start_model_by_the_first_template(task):
    objective = task.objective("upl", **UPL)
    clip = load(task.start)
    images = encode_images(clip, task.images, EncodeSettings(batch_size=8)).features
    names = [f"a photo of a {name}." for name in task.texts.class_names]
    texts = encode_texts(clip, names, EncodeSettings(batch_size=8)).features
    logits = clip.logit_scale * torch.tensor(images) @ torch.tensor(texts).T
    expected = literal_choice(logits.tolist(), 3, lambda row, c: row[c])
    found = dict(zip(objective._rows.tolist(), objective._labels.tolist(), strict=True))
    assert found == expected and objective.shard_sizes == [len(expected)]
    batch = batch_of(task, objective)
    assert batch["rows"].tolist() == sorted(expected)[:4]


def test_the_loss_is_the_cross_entropy_and_reaches_the_context_alone(task):
    objective = task.objective("upl", **UPL)
    module, batch = objective.module, batch_of(task, objective)
    loss = one_step(objective, batch)["loss"]
    labels = dict(zip(objective._rows.tolist(), objective._labels.tolist(), strict=True))
    images = module.tower(batch["strong"]).features
    texts = module.prompts()
    total = 0.0
    for f, row in zip(images.tolist(), batch["rows"].tolist(), strict=True):
        logits = [
            objective.logit_scale * sum(a * b for a, b in zip(f, t, strict=True))
            for t in texts.tolist()
        ]
        total -= logits[labels[row]] - math.log(sum(map(math.exp, logits)))
    assert loss.item() == pytest.approx(total / 4, abs=1e-5)
    assert reached(objective) == {"prompts.context"} and count(objective) == 2 * 32


def test_same_seed_same_bytes_killed_or_not(task, tmp_path, monkeypatch):
    folder = check_resumes(task, tmp_path, monkeypatch, "upl", steps=(1, 3), **UPL)
    assert load_file(folder / "out/changed.safetensors") == {}  # the towers stand still
    found = classifier(folder)
    assert found.class_ids == ("a", "b", "c") and found.anchors.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(found.anchors, axis=1), 1, atol=1e-6)
    task.fit(tmp_path / "other", "upl", seed=1, **UPL)
    assert not np.array_equal(classifier(tmp_path / "other").anchors, found.anchors)


def test_bad_input_is_refused(task, tmp_path):
    with pytest.raises(InputError, match="Use fewer vectors or shorter names"):
        task.objective("upl", context_tokens=16)
    one = task_texts(task.start, task.texts.class_names[:1], [("A red square.",)])
    texts, task.texts = task.texts, one
    try:
        with pytest.raises(InputError, match="one class"):
            task.objective("upl", **UPL)
    finally:
        task.texts = texts
