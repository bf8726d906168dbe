"""What of a model FAIR trains: the numbers that are published, and their gradients."""

import pytest
import torch
from fair_objective import first_batch, objective_of, step_of

from nicheclip.adaptation.trained.fair import FairModule
from nicheclip.adaptation.trained.tower import layer_norms
from nicheclip.engine.objective import LOSS
from nicheclip.models.openclip import Clip, open_clip
from small_adaptation import fair, small_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def vit_b_32():
    """The real architecture without weights."""
    config = open_clip.get_model_config("ViT-B-32")
    with torch.device("meta"):
        return lambda: Clip(open_clip.create_model("ViT-B-32", device="meta"), None, config)


def trained_parameters(module):
    parameters = dict(module.named_parameters())
    return sum(parameters[name].numel() for name in module.trained())


@pytest.mark.parametrize(
    ("train", "count"),
    [
        ("layer_norm", 45_056),  # 39,936 + 10 x 512: Table 9's 45.1K
        ("lora", 147_456 + 5_120),
        ("k_adaptation", 50_176 + 5_120),
        ("k_adaptation_as_published", 50_176 + 5_120),
    ],
)
def test_a_vit_b_32_with_ten_classes_trains_as_many_numbers_as_published(vit_b_32, train, count):
    anchors = torch.zeros(10, 512)
    module = FairModule(vit_b_32(), anchors, fair(train=train), logit_scale=100.0)
    assert trained_parameters(module) == count
    assert len(set(module.trained())) == len(module.trained())


def gradients(objective):
    """Names of the parameters that a step's loss moves, when those that train may move."""
    module = objective.module
    groups = {name for group in objective.trainable(0) for name in group.names}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in groups)
    batch = first_batch(objective)
    torch.manual_seed(0)
    objective.losses(module(batch), batch, step_of(5))[LOSS].backward()
    return groups, {
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is not None and float(parameter.grad.abs().max()) > 0
    }


def test_gradients_reach_the_norms_and_the_anchors_alone(task):
    objective = objective_of(task)
    groups, moved = gradients(objective)
    norms = set(layer_norms(objective.module))
    assert groups == moved == norms | {"anchors"}
    # two blocks with two norms each, one before and one after; weights and biases
    assert len(norms) == 12 and all(".ln_" in name for name in norms)


@pytest.mark.parametrize("train", ["lora", "k_adaptation", "k_adaptation_as_published"])
def test_gradients_reach_what_can_learn(task, train):
    """At the start LoRA's second factor is 0, and so is one of K-Adaptation's: what is before it
    has no gradient yet. As published K-Adaptation moves its bias alone.
    """
    groups, moved = gradients(objective_of(task, train=train))
    last = {"lora": "up", "k_adaptation": "right", "k_adaptation_as_published": "bias"}[train]
    blocks = [f"tower.visual.transformer.resblocks.{b}.attn.change." for b in (0, 1)]
    expected = {"anchors", *(block + last for block in blocks)}
    if train == "k_adaptation":
        expected |= {block + "bias" for block in blocks}
    assert moved == expected and moved < groups


def test_k_adaptation_learns_its_factors_and_as_published_never(task):
    for train, learns in (("k_adaptation", True), ("k_adaptation_as_published", False)):
        objective = objective_of(task, train=train)
        module = objective.module
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        names = [name for group in objective.trainable(0) for name in group.names]
        optimizer = torch.optim.AdamW([dict(module.named_parameters())[n] for n in names], lr=1e-3)
        for _ in range(3):
            batch = first_batch(objective)
            optimizer.zero_grad()
            objective.losses(module(batch), batch, step_of(5))[LOSS].backward()
            optimizer.step()
        moved = {n for n, p in module.named_parameters() if not p.equal(before[n])}
        factors = {n for n in names if n.endswith((".left", ".right"))}
        # AdamW shrinks what has a gradient of 0, which is no learning
        shrunk = {n for n in factors if dict(module.named_parameters())[n].grad.abs().max() == 0}
        assert (not shrunk) == learns
        assert moved <= set(names)
        if not learns:
            assert shrunk == factors
