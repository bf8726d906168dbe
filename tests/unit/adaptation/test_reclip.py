"""ReCLIP against its equations in loops; the propagation itself has its own tests."""

import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation.trained.label_propagation import PropagationOptions, propagate
from nicheclip.adaptation.trained.reclip import NONE, agreed, class_centroids
from nicheclip.engine.objective import Epoch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_trained import (
    check_resumes,
    classifier,
    count,
    method,
    on_vit_b_32,
    one_process,
    one_step,
    reached,
    task_texts,
    trained_names,
    unit,
)

RECLIP = {"neighbours": 3}


def begun(task, epochs=1, **changes):
    objective = task.objective("reclip", **RECLIP, **changes)
    for number in range(epochs):
        objective.begin_epoch(Epoch(number, 0, one_process(), objective.module, 0))
    return objective


def batch_of(objective, size=13):
    return objective.reader.read(BatchPlan(0, 0, np.arange(size)))


def test_labels_count_where_both_agree():
    found = agreed(torch.tensor([0, 1, 2, 0]), torch.tensor([0, 2, 2, 1]))
    assert found.tolist() == [0, NONE, 2, NONE]


def test_centroids_are_means_of_length_one_and_texts_where_there_is_none():
    features, empty = unit(5, 4, seed=1), unit(3, 4, seed=2)
    found = class_centroids(features, torch.tensor([0, 2, 0, 0, 2]), empty)
    mean = (features[0] + features[2] + features[3]) / 3
    torch.testing.assert_close(found[0], mean / math.sqrt(float(mean @ mean)))
    torch.testing.assert_close(found[1], empty[1])
    assert found.norm(dim=1).tolist() == pytest.approx([1, 1, 1])


def test_published_hyperparameters_and_65536_parameters(task, monkeypatch):
    options = method("reclip", epochs=50, batch_size=64)
    assert options == type(options)(kind="reclip")
    assert (options.neighbours, options.propagation, options.solver_steps) == (20, 0.99, 20)
    assert (options.optimizer.lr, options.optimizer.momentum) == (1e-3, 0.9)
    objective = on_vit_b_32(task, monkeypatch, "reclip")
    names = trained_names(objective)
    parameters = dict(objective.module.named_parameters())
    visual = sum(parameters[name].numel() for name in names if ".visual." in name)
    assert visual == 39_936 and count(objective) - visual == 25_600
    assert count(objective) == 65_536


def template_texts(clip, task):
    """NMN of the class's name in each template, by the text tower of ``clip``."""
    rows = []
    for one in task.texts.prompts():
        found = clip.model.encode_text(clip.tokenizer(one))
        mean = (found / found.norm(dim=1, keepdim=True)).mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def test_an_epoch_begins_with_labels_of_both_encoders(task):
    """In the second epoch T has other texts and V other features, each with what is its own."""
    objective = begun(task)
    module = objective.module
    with torch.no_grad():
        start_images = module.tower(batch_of(objective)["plain"]).features
        start_texts = template_texts(objective.clip, task)
        torch.testing.assert_close(objective.memory.features, start_images, rtol=0, atol=1e-5)
        module.clip.visual.ln_post.bias.add_(0.3 * torch.randn(32, generator=seeded()))
        module.clip.ln_final.bias.add_(0.3 * torch.randn(32, generator=seeded()))
        objective.begin_epoch(Epoch(1, 4, one_process(), module, 0))
        images = module.tower(batch_of(objective)["plain"]).features
        texts = template_texts(objective.clip, task)
        options = PropagationOptions(neighbours=3)
        by_texts = propagate(texts, start_images, options)
        by_images = propagate(start_texts, images, options)
    expected = [a if a == b else NONE for a, b in zip(by_texts, by_images, strict=True)][3:]
    assert objective.memory.labels.tolist() == expected
    torch.testing.assert_close(objective.memory.features, start_images, rtol=0, atol=1e-5)
    points = torch.cat([start_texts, images])
    for c in range(3):
        own = points[by_images == c]
        mean = own.mean(dim=0) if len(own) else start_texts[c]
        torch.testing.assert_close(module.centroids[c], mean / mean.norm(), rtol=0, atol=1e-5)


def test_descriptions_take_the_places_of_templates(task, monkeypatch):
    """Their mean spreads the labels, the first of each class learns."""
    sentences = (("red", "a red one", "it is red"), ("green",), ("blue", "of the sky"))
    texts = task_texts(task.start, descriptions=sentences, sentences=sentences)
    monkeypatch.setattr(task, "texts", texts)
    objective = begun(task, texts="descriptions")
    clip, rows = objective.clip, []
    with torch.no_grad():
        for one in sentences:
            found = clip.model.encode_text(clip.tokenizer(list(one)), normalize=True)
            rows.append(found.mean(dim=0) / found.mean(dim=0).norm())
        learn = clip.model.encode_text(
            clip.tokenizer([one[0] for one in sentences]), normalize=True
        )
    start_images = objective.memory.features
    labels = propagate(torch.stack(rows), start_images, PropagationOptions(neighbours=3))[3:]
    assert objective.memory.labels.equal(labels), "both encoders are those of the start"
    torch.testing.assert_close(objective.module.encode(objective.module.tokens), learn)
    assert objective.facts()["class_texts"] == 6


def test_descriptions_are_wanted_as_sentences(task):
    with pytest.raises(InputError, match="needs the descriptions of each class as sentences"):
        task.objective("reclip", **RECLIP, texts="descriptions")


def seeded():
    return torch.Generator().manual_seed(4)


def literal_entropy(logits, label):
    return math.log(sum(math.exp(value) for value in logits)) - logits[label]


@pytest.mark.parametrize("visual_loss", ["agreeing", "code"])
def test_the_loss_is_both_cross_entropies_where_they_agree(task, visual_loss):
    objective = begun(task, visual_loss=visual_loss)
    labels = torch.tensor([0, NONE, 2, 1, NONE, 2])
    objective.memory.labels[:6] = labels
    batch = batch_of(objective, 6)
    terms = one_step(objective, batch)
    module, scale = objective.module, objective.logit_scale
    names = objective.clip.tokenizer([one[0] for one in task.texts.prompts()])
    texts = module.clip.encode_text(names, normalize=True).detach()
    visual = module.tower(batch["plain"]).features.detach()
    by_texts = by_images = 0.0
    for i, label in enumerate(labels.tolist()):
        if label != NONE:
            start = objective.memory.features[i]
            by_texts += literal_entropy([scale * float(start @ t) for t in texts], label) / 4
            row = [scale * float(visual[i] @ v) for v in module.centroids]
            by_images += literal_entropy(row, label) / 4
    by_images /= 6 if visual_loss == "code" else 1
    assert terms["by_texts"].item() == pytest.approx(by_texts, abs=1e-5)
    assert terms["by_images"].item() == pytest.approx(by_images, abs=1e-5)
    assert terms["loss"].item() == pytest.approx(by_texts + by_images, abs=1e-5)


def test_a_batch_without_agreement_teaches_nothing(task):
    objective = begun(task)
    objective.memory.labels.fill_(NONE)
    assert one_step(objective, batch_of(objective))["loss"].item() == 0
    assert not reached(objective)


def test_gradients_reach_the_norms_of_both_towers_alone(task):
    objective = begun(task)
    objective.memory.labels.copy_(torch.arange(13) % 3)
    one_step(objective, batch_of(objective))
    norms = {n for n, _ in objective.module.named_parameters() if ".ln_" in n}
    assert reached(objective) == trained_names(objective) == norms
    assert {name.split(".")[1] for name in norms} == {"visual", "transformer", "ln_final"}


def test_each_copy_learns_one_encoder(task):
    """T's images are those of the start; V's classes are no texts."""
    objective = begun(task)
    module, batch = objective.module, batch_of(objective)
    before = {name: value.detach() for name, value in module(batch).items()}
    with torch.no_grad():
        module.clip.visual.ln_post.bias.add_(torch.randn(32, generator=seeded()))
        after = module(batch)
        assert after["by_texts"].equal(before["by_texts"])
        assert not after["by_images"].allclose(before["by_images"])
        module.clip.ln_final.bias.add_(torch.randn(32, generator=seeded()))
        assert module(batch)["by_images"].equal(after["by_images"])
        assert not module(batch)["by_texts"].allclose(before["by_texts"])


def test_anchors_are_texts_and_centroids(task):
    objective = begun(task)
    module = objective.module
    texts, centroids = module.encode(module.tokens), module.centroids
    torch.testing.assert_close(objective.anchors(), (texts + centroids).detach())
    assert begun(task, anchors="visual").anchors().equal(centroids)


def test_same_seed_same_bytes_killed_or_not(task, tmp_path, monkeypatch):
    folder = check_resumes(task, tmp_path, monkeypatch, "reclip", steps=(1, 4), **RECLIP)
    start, found = load(task.start).tensors(), load(folder / "out").tensors()
    changed = {name for name, tensor in found.items() if not tensor.equal(start[name])}
    assert changed and all("ln_" in name for name in changed)
    assert {name.split(".")[0] for name in changed} == {"visual", "transformer", "ln_final"}
    assert classifier(folder).anchors.shape == (3, 16)


def test_a_text_tower_of_another_kind_is_refused(task, monkeypatch):
    from nicheclip.adaptation.trained import base

    clip = load(task.start)
    clip.model.text_pool_type = "last"
    monkeypatch.setattr(base, "load", lambda start: clip)
    with pytest.raises(InputError, match="Choose a method that changes no texts"):
        task.objective("reclip", **RECLIP)
