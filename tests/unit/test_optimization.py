"""Numbers worked out by hand: the learning rate, AdamW's groups."""

import math

import pytest
import torch

from nicheclip.config.optimization import OptimizerConfig, ScheduleConfig, SgdConfig
from nicheclip.engine.objective import ParameterGroup
from nicheclip.engine.optimization import (
    check_warmup,
    learning_rate,
    make_optimizer,
    parameter_groups,
)
from nicheclip.runtime.errors import InputError

HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("kind", "warmup", "step", "rate"),
    [
        ("constant", 0, 0, 1.0),
        ("constant", 0, 11, 1.0),
        # four steps of warm-up: a quarter more in each, and the full rate in the last
        ("constant", 4, 0, 0.25),
        ("constant", 4, 3, 1.0),
        ("constant", 4, 4, 1.0),
        ("cosine", 4, 0, 0.25),
        ("cosine", 4, 1, 0.5),
        ("cosine", 4, 2, 0.75),
        ("cosine", 4, 3, 1.0),
        # then half a cosine over the eight steps that are left: (1 + cos(pi n / 8)) / 2
        ("cosine", 4, 4, 1.0),
        ("cosine", 4, 6, (1 + HALF) / 2),
        ("cosine", 4, 8, 0.5),
        ("cosine", 4, 10, (1 - HALF) / 2),
        ("cosine", 4, 11, (1 + math.cos(math.pi * 7 / 8)) / 2),
        # without warm-up over twelve steps: cos(pi / 3) = 1/2, cos(pi / 2) = 0
        ("cosine", 0, 0, 1.0),
        ("cosine", 0, 4, 0.75),
        ("cosine", 0, 6, 0.5),
        ("cosine", 0, 8, 0.25),
        # a tenth from half of the run, a hundredth from three quarters
        ("step", 4, 1, 0.5),
        ("step", 4, 5, 1.0),
        ("step", 4, 6, 0.1),
        ("step", 4, 8, 0.1),
        ("step", 4, 9, 0.01),
        ("step", 4, 11, 0.01),
    ],
)
def test_the_learning_rate_of_twelve_steps(kind, warmup, step, rate):
    schedule = ScheduleConfig(kind=kind, warmup_steps=warmup)
    assert learning_rate(2e-3, schedule, step, 12) == pytest.approx(2e-3 * rate, rel=1e-12)


def test_the_cosine_falls_in_every_step_and_does_not_reach_zero():
    schedule = ScheduleConfig(kind="cosine", warmup_steps=3)
    rates = [learning_rate(1.0, schedule, step, 40) for step in range(40)]
    assert rates[:3] == sorted(rates[:3]) and rates[3:] == sorted(rates[3:], reverse=True)
    # one of 37 parts before the end: 1 - cos(x) is about x squared / 2
    assert rates[-1] == pytest.approx((math.pi / 37) ** 2 / 4, rel=1e-2)


def test_a_power_law_by_hand():
    """POUF's at step 5,000: (1 + 2e-4 x 5,000) ** -0.75 = 2 ** -0.75, whatever the run's length."""
    schedule = ScheduleConfig(kind="power", power=0.75, power_speed=2e-4)
    assert learning_rate(1e-3, schedule, 0, 6000) == 1e-3
    assert learning_rate(1e-3, schedule, 5000, 6000) == pytest.approx(5.946036e-4)
    late = ScheduleConfig(kind="power", warmup_steps=10, power=1, power_speed=1)
    assert learning_rate(1.0, late, 11, 6000) == 0.5


def test_a_warm_up_may_have_one_rate_and_a_cosine_another_end():
    """UPL's: the first of fifty epochs at 1e-5, then a half cosine; half way at the mean."""
    schedule = ScheduleConfig(warmup_steps=1 / 50, warmup_lr=1e-5)
    rates = [learning_rate(2e-3, schedule, step, 300) for step in range(300)]
    assert rates[:6] == [1e-5] * 6 and rates[6] == 2e-3
    assert rates[6 + 147] == pytest.approx(1e-3)
    ends = ScheduleConfig(end_lr=2e-6)
    assert learning_rate(1e-4, ends, 50, 100) == pytest.approx(5.1e-5)
    assert learning_rate(1e-4, ends, 99, 100) == pytest.approx(2e-6, rel=0.02)


def test_a_warm_up_below_one_is_a_share_of_the_run():
    # a quarter of twelve steps is three, of 1,200 it is 300; of three steps it is none
    schedule = ScheduleConfig(kind="constant", warmup_steps=0.25)
    rates = [learning_rate(3.0, schedule, step, 12) for step in range(4)]
    assert rates == pytest.approx([1.0, 2.0, 3.0, 3.0])
    assert learning_rate(3.0, schedule, 0, 1200) == pytest.approx(0.01)
    assert learning_rate(3.0, schedule, 0, 3) == 3.0
    assert ScheduleConfig(warmup_steps=3).warmup_steps == 3


def test_a_warm_up_must_end_within_the_run():
    check_warmup(ScheduleConfig(warmup_steps=11), 12)
    with pytest.raises(InputError, match="warmup_steps is 12, but the run has only 12 steps"):
        check_warmup(ScheduleConfig(warmup_steps=12), 12)


class Model(torch.nn.Module):
    """As much of a CLIP as an optimiser sees."""

    def __init__(self, logit_scale=0.0):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.norm = torch.nn.LayerNorm(3)
        self.frozen = torch.nn.Linear(2, 2)
        self.logit_scale = torch.nn.Parameter(torch.tensor(logit_scale))


def test_weights_decay_and_biases_norms_and_the_temperature_do_not():
    model = Model()
    names = ["linear.weight", "linear.bias", "norm.weight", "norm.bias", "logit_scale"]
    decayed, plain = parameter_groups(model, ParameterGroup(names), 0.3)
    assert decayed["weight_decay"] == 0.3 and plain["weight_decay"] == 0
    assert [id(p) for p in decayed["params"]] == [id(model.linear.weight)]
    assert [p.numel() for p in plain["params"]] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("which", "decayed"),
    [
        ("all", {"linear.weight", "linear.bias", "norm.weight", "norm.bias"}),
        ("all_but_biases", {"linear.weight", "norm.weight"}),
        ("matrices", {"linear.weight"}),
        ("none", set()),
    ],
)
def test_what_decays_is_chosen(which, decayed):
    model = Model()
    names = {id(p): name for name, p in model.named_parameters() if name[:4] in ("line", "norm")}
    groups = parameter_groups(model, ParameterGroup(list(names.values()), decay=which), 0.3)
    found = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert found == {name: 0.3 if name in decayed else 0 for name in names.values()}


@pytest.mark.parametrize(
    ("names", "decays"), [(["linear.weight"], [0.3]), (["norm.bias"], [0.0]), ([], [])]
)
def test_an_empty_group_is_left_out(names, decays):
    groups = parameter_groups(Model(), ParameterGroup(names), 0.3)
    assert [group["weight_decay"] for group in groups] == decays


def test_a_group_may_have_a_rate_of_its_own_and_no_decay():
    new = ParameterGroup(["linear.weight", "linear.bias"], lr_scale=0.1, decay="none")
    [group] = parameter_groups(Model(), new, 0.3)
    assert group["lr_scale"] == 0.1 and group["weight_decay"] == 0
    assert [p.numel() for p in group["params"]] == [6, 3]


def test_a_step_of_adamw():
    """The first step moves each weight by lr against its gradient's sign, after the decay."""
    model = Model()
    with torch.no_grad():
        model.linear.weight.fill_(1.0)
        model.linear.bias.fill_(1.0)
    groups = parameter_groups(model, ParameterGroup(["linear.weight", "linear.bias"]), 0.5)
    config = OptimizerConfig(lr=0.1, weight_decay=0.5, eps=1e-12)
    optimizer = make_optimizer(config, groups, fused=False)
    model.linear(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    # weights: 1 x (1 - 0.1 x 0.5) - 0.1 = 0.85; biases: 1 - 0.1 = 0.9
    assert model.linear.weight.tolist() == pytest.approx([pytest.approx([0.85, 0.85])] * 3)
    assert model.linear.bias.tolist() == pytest.approx([0.9] * 3)


def test_sgd_with_momentum_by_hand():
    """Two steps with the gradient 1: v = 1, then 0.9 + 1; decay of the matrix alone."""
    model = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(2.0)
    config = SgdConfig(kind="sgd", lr=0.1, momentum=0.9, weight_decay=0.5)
    groups = parameter_groups(model, ParameterGroup(["weight", "bias"]), config.weight_decay)
    optimizer = make_optimizer(config, groups, fused=False)
    weight, velocity = 2.0, 0.0
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        velocity = 0.9 * velocity + 1 + 0.5 * weight
        weight -= 0.1 * velocity
        optimizer.step()
    assert model.bias.item() == pytest.approx(2 - 0.1 - 0.19)
    assert model.weight.item() == pytest.approx(weight)
