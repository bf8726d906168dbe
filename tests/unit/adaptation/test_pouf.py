"""POUF against its equations in loops."""

import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation.trained.pouf import negative_information, transport_cost
from nicheclip.engine.sampling import BatchPlan
from nicheclip.runtime.errors import InputError
from small_trained import (
    check_resumes,
    classifier,
    count,
    method,
    on_vit_b_32,
    one_step,
    reached,
    unit,
)


def softmax(values):
    exponents = [math.exp(value) for value in values]
    return [value / sum(exponents) for value in exponents]


def literal(cosines, scale):
    """L_transport and L_information, in loops over images b and classes c."""
    images, classes = len(cosines), len(cosines[0])
    p = [softmax([scale * value for value in row]) for row in cosines]
    q = [softmax([scale * cosines[b][c] for b in range(images)]) for c in range(classes)]
    transport = information = 0.0
    for b in range(images):
        for c in range(classes):
            transport += p[b][c] * (1 - cosines[b][c]) / images
            transport += q[c][b] * (1 - cosines[b][c]) / classes
            information -= p[b][c] * math.log(p[b][c]) / images
    for c in range(classes):
        mean = sum(p[b][c] for b in range(images)) / images
        information += mean * math.log(mean)
    return transport, information


@pytest.mark.parametrize(("images", "classes", "scale"), [(7, 4, 5.0), (3, 6, 20.0), (1, 2, 1.0)])
def test_both_terms_are_the_published_equations(images, classes, scale):
    cosines = unit(images, 8, seed=1) @ unit(classes, 8, seed=2).T
    transport, information = literal(cosines.tolist(), scale)
    assert transport_cost(cosines, scale * cosines).item() == pytest.approx(transport, abs=1e-9)
    found = negative_information(scale * cosines).item()
    assert found == pytest.approx(information, abs=1e-9)


def test_information_by_hand():
    """Sure and even: log 2 is gained; sure of one class, or even for each image: nothing."""
    assert negative_information(torch.tensor([[50.0, 0], [0, 50.0]])).item() == pytest.approx(
        -math.log(2), abs=1e-6
    )
    assert negative_information(torch.tensor([[200.0, 0], [200.0, 0]])).item() == 0
    assert negative_information(torch.zeros(3, 2)).item() == pytest.approx(0, abs=1e-6)


def test_published_hyperparameters_and_2048_parameters(task, monkeypatch):
    options = method("pouf", epochs=10, batch_size=96)
    assert options == type(options)(kind="pouf")
    assert (options.context, options.information_weight) == ("a photo of a", 0.3)
    optimizer = options.optimizer
    assert (optimizer.lr, optimizer.nesterov, optimizer.weight_decay) == (1e-3, True, 1e-3)
    assert count(on_vit_b_32(task, monkeypatch, "pouf")) == 2048
    assert count(on_vit_b_32(task, monkeypatch, "pouf", learn_logit_scale=True)) == 2049


@pytest.mark.parametrize("learn", [False, True])
def test_the_loss_is_both_terms_and_reaches_what_trains(task, learn):
    objective = task.objective("pouf", learn_logit_scale=learn)
    batch = objective.reader.read(BatchPlan(0, 0, np.arange(5)))
    terms = one_step(objective, batch)
    module = objective.module
    cosines = module.tower(batch["strong"]).features @ module.prompts().T
    transport, information = literal(cosines.tolist(), objective.logit_scale)
    assert terms["transport"].item() == pytest.approx(transport, abs=1e-5)
    assert terms["information"].item() == pytest.approx(information, abs=1e-5)
    expected = transport + 0.3 * information
    assert terms["loss"].item() == pytest.approx(expected, abs=1e-5)
    assert reached(objective) == {"prompts.context"} | ({"log_scale"} if learn else set())


def test_same_seed_same_bytes_killed_or_not(task, tmp_path, monkeypatch):
    changes = {"learn_logit_scale": True}
    folder = check_resumes(task, tmp_path, monkeypatch, "pouf", steps=(1, 4), **changes)
    learned = classifier(folder).logit_scale
    assert learned != task.objective("pouf").logit_scale
    task.fit(tmp_path / "fixed", "pouf")
    assert classifier(tmp_path / "fixed").logit_scale == task.objective("pouf").logit_scale


def test_a_context_without_words_is_refused(task):
    with pytest.raises(InputError, match="no token in ''"):
        task.objective("pouf", context="")
