"""LaFTer against its equations in loops."""

import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation.trained.lafter import learn_from_texts, new_prompts, text_loss
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.export import export
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_features import texts_of
from small_trained import (
    check_resumes,
    classifier,
    count,
    method,
    on_vit_b_32,
    one_step,
    reached,
    trained_names,
    unit,
)

LAFTER = {"prompt_tokens": 3, "text_steps": 20}


def literal_smoothed(logits, label, smoothing):
    """Cross-entropy with (1 - s) at the label and s / C at every class."""
    total = math.log(sum(math.exp(value) for value in logits))
    found = 0.0
    for c, value in enumerate(logits):
        target = smoothing / len(logits) + (1 - smoothing) * (c == label)
        found -= target * (value - total)
    return found


def test_the_loss_of_texts_is_the_smoothed_cross_entropy():
    weight, features, labels = 5 * unit(4, 8, seed=1), unit(6, 8, seed=2), [0, 1, 2, 3, 1, 0]
    expected = [
        literal_smoothed([float(w @ f) for w in weight], label, 0.1)
        for f, label in zip(features, labels, strict=True)
    ]
    found = text_loss(weight, features, torch.tensor(labels), 0.1)
    assert found.item() == pytest.approx(sum(expected) / 6, abs=1e-9)


def test_the_classifier_learns_the_texts_from_the_seed_alone():
    texts = [texts_of([4, 3, 5], d=16), texts_of([1, 1, 1], d=16, seed=3)]
    options = method("lafter", text_steps=100, text_lr=0.02)

    def learned(seed):
        return learn_from_texts(texts, options, torch.Generator().manual_seed(seed))

    weight = learned(1)
    for one in texts:
        assert (one.features.float() @ weight.T).argmax(dim=1).tolist() == one.owners.tolist()
    assert weight.equal(learned(1)) and not weight.equal(learned(2))
    lengths = weight.norm(dim=1)
    assert lengths.max() / lengths.min() < 1.5  # division by them changes little


def test_new_prompts_are_within_their_bound():
    prompts = new_prompts(50, 768, torch.Generator().manual_seed(0))
    bound = math.sqrt(6 / (3 * 16 * 16 + 768))
    assert prompts.shape == (50, 768) and 0.99 * bound < prompts.abs().max() < bound


def test_published_hyperparameters_and_83456_parameters(task, monkeypatch):
    options = method("lafter", epochs=50, batch_size=50)
    assert options == type(options)(kind="lafter")
    assert (options.optimizer.lr, options.schedule.kind) == (5e-4, "constant")
    assert (options.prompt_tokens, options.label_smoothing, options.text_noise) == (50, 0.1, 0.1)
    objective = on_vit_b_32(task, monkeypatch, "lafter", text_steps=1)
    assert count(objective) == 39_936 + 50 * 768 + 10 * 512 == 83_456


def batch_of(objective):
    return objective.reader.read(BatchPlan(0, 0, np.arange(4)))


def literal_feature(visual, tokens):
    """The class token through blocks and last norm, projected, its length as it comes."""
    for block in visual.transformer.resblocks:
        tokens = block(tokens)
    return visual.ln_post(tokens[:, 0]) @ visual.proj


def test_the_label_is_the_plain_view_s_and_the_loss_the_prompted_strong_view_s(task):
    objective = task.objective("lafter", **LAFTER)
    module, batch = objective.module, batch_of(objective)
    with torch.no_grad():
        module.classifier.add_(0.3 * torch.randn(3, 16, generator=torch.manual_seed(3)))
    loss = one_step(objective, batch)["loss"]
    visual, normalise = module.tower.visual, module.tower.normalise
    total = 0.0
    for i in range(4):
        plain = literal_feature(visual, visual._embeds(normalise(batch["plain"][i : i + 1])))[0]
        label = (module.labeller @ (plain / plain.norm())).argmax().item()
        tokens = visual._embeds(normalise(batch["strong"][i : i + 1]))
        tokens = torch.cat([tokens[:, :1], module.prompts[None], tokens[:, 1:]], dim=1)
        logits = module.classifier @ literal_feature(visual, tokens)[0]
        total += literal_smoothed(logits.tolist(), label, 0.1)
    assert loss.item() == pytest.approx(total / 4, abs=1e-5)


def test_gradients_reach_prompts_classifier_and_norms_alone(task):
    objective = task.objective("lafter", **LAFTER)
    one_step(objective, batch_of(objective))
    norms = {n for n, _ in objective.module.named_parameters() if ".ln_" in n}
    assert len(norms) == 2 * (2 * 2 + 2)
    assert reached(objective) == trained_names(objective) == norms | {"prompts", "classifier"}


def test_the_norms_are_shared_so_labels_drift(task):
    """A change of a norm changes the scores of the labels; a change of the prompts does not."""
    objective = task.objective("lafter", **LAFTER)
    batch, module = batch_of(objective), objective.module
    before = module(batch)["scores"]
    with torch.no_grad():
        module.prompts.mul_(3)
        module.classifier.mul_(3)
        assert module(batch)["scores"].equal(before)
        module.tower.visual.ln_post.weight[:5] = 0
        assert not module(batch)["scores"].allclose(before)
    assert not before.requires_grad


def test_same_seed_same_bytes_and_the_prompts_come_back(task, tmp_path, monkeypatch):
    folder = check_resumes(task, tmp_path, monkeypatch, "lafter", steps=(1, 4), **LAFTER)
    clip = load(folder / "out")
    assert clip.model.visual.ln_pre.prompts.shape == (3, 32)
    batch = batch_of(task.objective("lafter", **LAFTER))
    objective = task.objective("lafter", **LAFTER)
    images = objective.module.tower.normalise(batch["plain"])
    clip.model.visual.ln_pre.prompts.requires_grad_(False)
    # what comes back is the tower that learned: its features are those with prompts
    with torch.no_grad():
        found = clip.model.encode_image(images)
        visual = clip.model.visual
        norm, visual.ln_pre = visual.ln_pre, torch.nn.LayerNorm(32)
        visual.ln_pre.load_state_dict({"weight": norm.weight, "bias": norm.bias})
        tokens = visual._embeds(images)
        tokens = torch.cat([tokens[:, :1], norm.prompts.expand(4, -1, -1), tokens[:, 1:]], dim=1)
        torch.testing.assert_close(found, literal_feature(visual, tokens))
    np.testing.assert_allclose(np.linalg.norm(classifier(folder).anchors, axis=1), 1, atol=1e-6)


def test_a_tower_with_prompts_is_not_exported_nor_given_more(task, tmp_path, monkeypatch):
    task.fit(tmp_path, "lafter", epochs=1, **LAFTER)
    with pytest.raises(InputError, match="open_clip does not know"):
        export(tmp_path / "out", tmp_path / "whole")
    monkeypatch.setattr(task, "start", tmp_path / "out")
    for kind in ("lafter", "must"):
        with pytest.raises(InputError, match="has prompts beside the patches"):
            task.objective(kind)
