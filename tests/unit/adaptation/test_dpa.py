"""DPA against its equations in loops."""

import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation.trained.dpa import agreement, align, anchoring, class_means
from nicheclip.engine.objective import Epoch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.classifier import read_classifier
from small_trained import (
    check_resumes,
    count,
    method,
    on_vit_b_32,
    one_process,
    one_step,
    reached,
    trained_names,
    unit,
)


def softmax(values):
    exponents = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponents) for value in exponents]


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def over_length(rows):
    return [[float(x) / math.sqrt(dot(row, row)) for x in row] for row in rows]


def literal_label(by_text, by_image, means, share):
    """Label and weight of one image, from its probabilities and the mean of the batches."""
    aligned = [p / m for p, m in zip(by_text, means, strict=True)]
    aligned = [value / sum(aligned) for value in aligned]
    mixed = [share * v + (1 - share) * t for v, t in zip(by_image, aligned, strict=True)]
    label = mixed.index(max(mixed))
    return label, by_text[label] / max(by_text) * by_image[label] / max(by_image)


def test_alignment_divides_by_the_mean_of_the_batches():
    p = torch.tensor([[0.6, 0.4], [0.9, 0.1]])
    means = torch.tensor([[0.9, 0.1], [0.7, 0.3]])  # 0.8 and 0.2
    expected = torch.tensor([[0.75 / 2.75, 2.0 / 2.75], [1.125 / 1.625, 0.5 / 1.625]])
    torch.testing.assert_close(align(p, means), expected)
    # a batch whose own mean it is becomes even where it was even
    even = torch.tensor([[0.8, 0.2]])
    torch.testing.assert_close(align(even, even), torch.tensor([[0.5, 0.5]]))


def test_agreement_is_one_where_the_label_is_the_likeliest():
    p = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    torch.testing.assert_close(agreement(p, torch.tensor([0, 2])), torch.tensor([1.0, 0.6]))


def test_image_prototypes_are_means_and_texts_where_there_is_none():
    features, empty = unit(5, 4, seed=1), unit(3, 4, seed=2)
    found = class_means(features, torch.tensor([0, 2, 0, 0, 2]), empty)
    torch.testing.assert_close(found[0], (features[0] + features[2] + features[3]) / 3)
    torch.testing.assert_close(found[1], empty[1])
    torch.testing.assert_close(found[2], (features[1] + features[4]) / 2)


def test_anchoring_is_the_cross_entropy_of_classes():
    images, texts = unit(4, 6, seed=1), unit(4, 6, seed=2)
    expected = 0.0
    for c in range(4):
        expected -= math.log(softmax([7 * dot(images[c], z) for z in texts])[c]) / 4
    assert anchoring(images, texts, 7.0).item() == pytest.approx(expected, abs=1e-9)


def test_published_hyperparameters_and_45056_parameters(task, monkeypatch):
    options = method("dpa", epochs=15, batch_size=64)
    assert options == type(options)(kind="dpa")
    assert (options.image_share, options.alignment_factor, options.batches_remembered) == (
        0.5,
        100,
        32,
    )
    assert count(on_vit_b_32(task, monkeypatch, "dpa")) == 45_056


def begun(task, **changes):
    objective = task.objective("dpa", **changes)
    objective.begin_epoch(Epoch(0, 0, one_process(), objective.module, 0))
    return objective


@pytest.mark.parametrize(
    ("weak", "share", "lengths"), [("random_crop", 0.5, True), ("centre", 0.2, False)]
)
def test_a_step_is_the_published_equations(task, weak, share, lengths):
    """Two steps: the second averages over both batches; every number in loops."""
    settings = {"weak": weak, "image_share": share, "fairness_weight": 0.7, "alignment_weight": 0.3}
    objective = begun(task, alignment_factor=5, unit_prototypes=lengths, **settings)
    module, scale = objective.module, objective.logit_scale
    texts, images = over_length(module.texts.tolist()), module.images.tolist()
    images = over_length(images) if lengths else images
    means = []
    for number in range(2):
        batch = objective.reader.read(BatchPlan(0, number, np.arange(4) + 4 * number))
        terms = one_step(objective, batch)
        views = batch["plain"] if weak == "centre" else batch["crops"][:, 0]
        with torch.no_grad():
            weak_features = module.tower.eval()(views).features.tolist()
            strong = module.tower(batch["strong"]).features.tolist()
        by_text = [softmax([scale * dot(f, z) for z in texts]) for f in weak_features]
        by_image = [softmax([scale * dot(f, p) for p in images]) for f in weak_features]
        means.append([sum(row[c] for row in by_text) / 4 for c in range(3)])
        mean = [sum(one[c] for one in means) / len(means) for c in range(3)]
        found = [literal_label(t, v, mean, share) for t, v in zip(by_text, by_image, strict=True)]
        p = [softmax([scale * dot(f, z) for z in texts]) for f in strong]
        trained = -sum(w * math.log(p[i][y]) for i, (y, w) in enumerate(found)) / 4
        fairness = -sum(math.log(sum(row[c] for row in p) / 4) for c in range(3)) / 3
        anchored = anchoring(torch.tensor(images), torch.tensor(texts), 5).item()
        expected = trained + 0.7 * fairness + 0.3 * anchored
        assert terms["self_training"].item() == pytest.approx(trained, abs=1e-5)
        assert terms["loss"].item() == pytest.approx(expected, abs=1e-5)
        rows = batch["rows"]
        assert objective.memory.labels[rows].tolist() == [label for label, _ in found]
        np.testing.assert_allclose(objective.memory.features[rows], weak_features, atol=1e-6)


def test_the_memory_begins_with_zero_shot_and_prototypes_follow_after_an_epoch(task):
    objective = begun(task)
    module, memory = objective.module, objective.memory
    cosines = memory.features @ module.texts.T
    assert memory.labels.tolist() == cosines.argmax(dim=1).tolist()
    np.testing.assert_allclose(memory.features.norm(dim=1), 1, atol=1e-5)
    first = module.images.clone()
    expected = class_means(memory.features, memory.labels, module.texts)
    torch.testing.assert_close(first, expected.detach())
    one_step(objective, objective.reader.read(BatchPlan(0, 0, np.arange(13))))
    assert module.images.equal(first)  # they stand still within an epoch
    objective.begin_epoch(Epoch(1, 3, one_process(), module, 0))
    expected = class_means(memory.features, memory.labels, module.texts)
    torch.testing.assert_close(module.images, expected.detach())
    assert not module.images.equal(first)


def test_only_so_many_batches_are_remembered(task):
    objective = begun(task, batches_remembered=2)
    for number in range(4):
        batch = objective.reader.read(BatchPlan(0, number, np.arange(3 * number, 3 * number + 3)))
        one_step(objective, batch)
    assert objective.state_dict()["means"].shape == (2, 3)


def test_gradients_reach_texts_and_norms_alone(task):
    objective = begun(task)
    one_step(objective, objective.reader.read(BatchPlan(0, 0, np.arange(6))))
    norms = {n for n, _ in objective.module.named_parameters() if ".ln_" in n}
    assert reached(objective) == trained_names(objective) == norms | {"texts"}


def test_prototypes_begin_as_templates_or_descriptions(task):
    by_templates, by_descriptions = (
        task.objective("dpa", prototypes=kind).module.texts
        for kind in ("templates", "descriptions")
    )
    torch.testing.assert_close(
        by_descriptions.detach(), task.objective("dpa").description_anchors()
    )
    assert not by_templates.allclose(by_descriptions)


def test_same_seed_same_bytes_killed_or_not(task, tmp_path, monkeypatch):
    folder = check_resumes(task, tmp_path, monkeypatch, "dpa", steps=(1, 4))
    found = read_classifier(folder / "out/classifier.safetensors").anchors
    assert not np.allclose(found, task.objective("dpa").module.texts.detach().numpy())
