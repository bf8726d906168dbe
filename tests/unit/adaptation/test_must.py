"""MUST against its equations in loops."""

import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation.trained.masking import mean_where
from nicheclip.adaptation.trained.must import NONE, layer
from nicheclip.engine.objective import Step
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_trained import (
    check_resumes,
    method,
    on_vit_b_32,
    one_process,
    one_step,
    reached,
    trained_names,
)


def batch_of(objective, size=4, epoch=0):
    return objective.reader.read(BatchPlan(epoch, 0, np.arange(size)))


def softmax(values):
    exponents = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponents) for value in exponents]


def unit_row(row):
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_masks_cover_squares_and_follow_from_seed_epoch_and_image(task):
    reader = task.objective("must", masked_share=0.3).reader
    masks = [reader.mask(epoch, row) for epoch in range(3) for row in range(13)]
    assert {int(mask.sum()) for mask in masks} == {2}  # 4 patches x 0.3, rounded up
    assert len({mask.tobytes() for mask in masks}) > 3
    again = task.objective("must", masked_share=0.3).reader
    assert np.array_equal(again.mask(2, 12), masks[-1])
    wide = type(reader)(
        reader.images, reader.settings, reader.wanted, 0, grid=(4, 6), side=2, share=0.5
    )
    mask = wide.mask(0, 0).reshape(4, 6)
    assert mask.sum() == 3 * 4
    for top in (0, 2):
        for left in (0, 2, 4):
            assert len(set(mask[top : top + 2, left : left + 2].ravel().tolist())) == 1


def test_means_of_masked_places_by_hand():
    values = torch.tensor([[1.0, 2, 3, 4], [5.0, 6, 7, 8]])
    chosen = torch.tensor([[True, False, False, True], [False, True, False, True]])
    assert mean_where(values, chosen).tolist() == [2.5, 7.0]


def literal_masked(objective, image, mask):
    """Feature of [CLS], pixel error and distance of one image, patch by patch."""
    masked, visual = objective.module.masked, objective.module.model.tower.visual
    pixels = objective.module.model.tower.normalise(image)
    tokens = [visual.class_embedding + visual.positional_embedding[0]]
    size, (height, width) = masked.patch, masked.grid
    parts = [
        pixels[:, i * size : (i + 1) * size, j * size : (j + 1) * size]
        for i in range(height)
        for j in range(width)
    ]
    for number, part in enumerate(parts):
        hidden = bool(mask[number])
        token = masked.mask_token if hidden else (visual.conv1.weight * part).sum(dim=(1, 2, 3))
        tokens.append(token + visual.positional_embedding[number + 1])
    out = visual.transformer(visual.ln_pre(torch.stack(tokens))[None])[0]
    feature = unit_row((visual.ln_post(out[0]) @ visual.proj).tolist())
    error, distance, number = 0.0, 0.0, int(mask.sum())
    for place, part in enumerate(parts):
        if mask[place]:
            patch = masked.patch_norm(out[place + 1])
            decoded = (patch @ masked.decoder + masked.decoder_bias).reshape(3, size, size)
            error += float((decoded - part).abs().sum()) / (3 * size * size * number)
            other = unit_row((patch @ visual.proj).tolist())
            distance += sum((a - b) ** 2 for a, b in zip(other, feature, strict=True)) / number
    return feature, error, distance


def test_a_step_is_the_published_equations(task):
    weights = {"fairness_weight": 0.5, "pixel_weight": 2.0, "alignment_weight": 0.2}
    objective = task.objective("must", threshold=0.5, **weights)
    with torch.no_grad():  # a teacher of its own
        objective.held["teacher"].tower.visual.ln_post.bias.add_(0.1)
    batch = batch_of(objective)
    terms = one_step(objective, batch)
    module, teacher, scale = objective.module, objective.held["teacher"], objective.logit_scale
    classes = [unit_row(row) for row in module.model.classifier.tolist()]
    with torch.no_grad():
        weak = teacher.tower(batch["crops"][:, 0]).features.tolist()
        found = [
            literal_masked(objective, image, mask)
            for image, mask in zip(batch["strong"], batch["mask"], strict=True)
        ]
    p = [softmax([scale * dot(feature, z) for z in classes]) for feature, _, _ in found]
    labels, losses = [], []
    for i, feature in enumerate(weak):
        by_teacher = softmax(
            [scale * dot(feature, unit_row(z)) for z in teacher.classifier.tolist()]
        )
        sure = max(by_teacher) > 0.5
        labels.append(by_teacher.index(max(by_teacher)) if sure else NONE)
        losses += [-math.log(p[i][labels[-1]])] if sure else []
    assert losses
    expected = {
        "self_training": sum(losses) / len(losses),
        "fairness": -sum(math.log(sum(row[c] for row in p) / 4) for c in range(3)) / 3,
        "pixels": sum(error for _, error, _ in found) / 4,
        "alignment": sum(distance for _, _, distance in found) / 4,
        "sure": len(losses) / 4,
    }
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, abs=1e-5), name
    total = expected["self_training"] + 0.5 * expected["fairness"]
    total += 2 * expected["pixels"] + 0.2 * expected["alignment"]
    assert terms["loss"].item() == pytest.approx(total, abs=1e-5)


def test_images_of_which_the_teacher_is_not_sure_do_not_count(task):
    objective = task.objective("must", threshold=1.0)
    terms = one_step(objective, batch_of(objective))
    assert terms["self_training"].item() == 0 and terms["sure"].item() == 0
    assert math.isfinite(terms["loss"].item())


def test_the_teacher_is_the_moving_average_whose_decay_rises(task):
    objective = task.objective("must", teacher_decay=0.5, teacher_decay_end=0.9, teacher_steps=4)
    model, teacher = objective.module.model, objective.held["teacher"]
    slow = model.classifier.detach().clone()
    for number, decay in enumerate([0.5, 0.6, 0.7, 0.8, 0.9, 0.9]):
        with torch.no_grad():
            model.classifier.add_(0.1 * (number + 1))
            model.tower.visual.proj.add_(0.1)
        objective.after_step(Step(number, 9, 0, (4,), one_process()))
        slow = decay * slow + (1 - decay) * model.classifier.detach()
        torch.testing.assert_close(teacher.classifier.detach(), slow)
    assert not teacher.tower.visual.proj.equal(model.tower.visual.proj)


def test_layers_learn_at_rates_of_their_own(task):
    objective = task.objective("must")
    rates = {name: group.lr_scale for group in objective.trainable(0) for name in group.names}
    visual = "model.tower.visual."
    for name, power in {
        f"{visual}conv1.weight": 3,
        f"{visual}positional_embedding": 3,
        "masked.mask_token": 3,
        f"{visual}transformer.resblocks.0.mlp.c_fc.weight": 2,
        f"{visual}transformer.resblocks.1.ln_1.bias": 1,
        f"{visual}proj": 0,
        "model.classifier": 0,
        "masked.patch_norm.weight": 0,
        "masked.decoder": 0,
    }.items():
        assert rates[name] == pytest.approx(0.65**power), name
    assert layer("x.resblocks.11.attn", 12) == 12 and layer("visual.proj", 12) == 13


def test_gradients_reach_all_of_the_visual_side_and_no_text(task):
    objective = task.objective("must", threshold=0.0)
    one_step(objective, batch_of(objective, 8))
    everything = {name for name, _ in objective.module.named_parameters()}
    assert trained_names(objective) == everything == reached(objective)
    assert not any("token_embedding" in name for name in everything)
    assert not any(p.grad is not None for p in objective.held["teacher"].parameters())


def test_published_hyperparameters_and_the_whole_visual_tower(task, monkeypatch):
    options = method("must", epochs=30, batch_size=64)
    assert options == type(options)(kind="must")
    assert options.optimizer.lr == pytest.approx(2e-5 * 64 / 256)
    assert (options.threshold, options.masked_share, options.alignment_weight) == (0.7, 0.3, 0.2)
    objective = on_vit_b_32(task, monkeypatch, "must")
    names = trained_names(objective)
    parameters = dict(objective.module.named_parameters())
    visual = sum(parameters[name].numel() for name in names if ".visual." in name)
    assert visual == 87_849_216  # ViT-B/32's image tower


def test_same_seed_same_bytes_killed_or_not(task, tmp_path, monkeypatch):
    changes = {"optimizer": {"lr": 1e-3}, "threshold": 0.3, "teacher_decay": 0.9}
    folder = check_resumes(task, tmp_path, monkeypatch, "must", steps=(1, 4), **changes)
    start, found = load(task.start).tensors(), load(folder / "out").tensors()
    changed = {name for name, tensor in found.items() if not tensor.equal(start[name])}
    assert changed == {name for name in found if name.startswith("visual.")}


def test_squares_that_do_not_fit_are_refused(task):
    with pytest.raises(InputError, match="2 x 2 patches of 16 x 16 pixels are not made of squares"):
        task.objective("must", mask_side=3)
