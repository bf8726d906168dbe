"""What the objectives over pairs do beside their losses."""

import math

import pytest
import torch

from nicheclip.models.openclip import load
from nicheclip.training.objectives.multi_positive import MultiPositive
from nicheclip.training.run import TrainingRun, train
from small_training import data_of, start_model, texts_of, training_config, write_squares


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objective")
    data = data_of(write_squares(folder / "squares", train=9, val=1))
    return MultiPositive(training_config(), start=start_model(folder), data=data, seed=0)


@pytest.mark.parametrize(
    ("before", "after"),
    [(9.9, math.log(100)), (math.log(100), math.log(100)), (2.5, 2.5), (-3, -3)],
)
def test_the_temperature_is_bounded_above_alone(objective, before, after):
    """ln 100 = 4.60517; a small scale is nobody's business."""
    scale = objective.module.clip.logit_scale
    with torch.no_grad():
        scale.fill_(before)
    objective.after_step(None)
    assert scale.item() == pytest.approx(after, abs=1e-6)
    assert objective.figures() == {"logit_scale": pytest.approx(math.exp(after), rel=1e-5)}
    assert scale.requires_grad


def test_one_validation_image_makes_no_contrast(objective):
    """Its loss is not defined: the columns stay, without a number."""
    assert objective.end_epoch(None) == {"val_loss": None, "val_accuracy": None}


def test_the_module_normalises_and_names_what_it_gives(objective):
    batch = objective.reader.read(next(iter(plans())))
    outputs = objective.module.eval()(batch)
    assert outputs["images"].shape == outputs["texts"].shape == (4, 16)
    assert outputs["images"].norm(dim=1).tolist() == pytest.approx([1] * 4, abs=1e-5)
    images = (batch["images"].float() / 255 - mean(objective, 0)) / mean(objective, 1)
    torch.testing.assert_close(
        outputs["images"], objective.module.clip.encode_image(images, normalize=True)
    )


def mean(objective, which):
    visual = objective.module.clip.visual
    return torch.tensor((visual.image_mean, visual.image_std)[which])[:, None, None]


def plans():
    from nicheclip.engine.sampling import Sampling

    return Sampling((5, 4), 4, 0).plans(0, 1)


def test_siglip_trains_its_bias_with_its_own_loss(tmp_path):
    """At the start all logits are near -10, so the loss is near 10, as in its paper."""
    squares = write_squares(tmp_path / "squares", train=12, val=6)
    config = training_config(recipe={"kind": "siglip"}, epochs=2)
    run = TrainingRun(
        config=config,
        start=start_model(tmp_path, "tiny-bias"),
        seed=0,
        output=tmp_path / "model",
        **texts_of(squares),
    )
    train(run, images=squares, run_folder=tmp_path / "run")
    history = (tmp_path / "model/history.csv").read_text().splitlines()
    first = dict(zip(history[0].split(","), history[1].split(","), strict=True))
    assert 5 < float(first["loss"]) < 15
    biases = [
        load(tmp_path / name).model.get_parameter("logit_bias").item()
        for name in ("start", "model")
    ]
    assert biases[0] == pytest.approx(-10) and biases[1] != biases[0]
