"""The memory of a step, measured."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from nicheclip.training.probe import main, measure
from small_training import tiny_clip, training_config

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load("""
datasets:
  fish: {source: {kind: folder, path: fish}}
models:
  small: {architecture: nicheclip-small}
training:
  run:
    dataset: fish
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
  classes: {dataset: fish, model: small, recipe: {kind: classification}, epochs: 1, batch_size: 8}
pretraining:
  dino:
    dataset: fish
    backbone: test_resnet
    size: 32
    recipe:
      {kind: dino, crops: {local_crops: 2, local_size: 16}, outputs: 24, hidden: 16, bottleneck: 8}
    batch_size: 6
""")


def test_a_step_is_taken_and_its_memory_grows_with_the_batch(tmp_path):
    """Each in a process of its own: what was resident at most never falls."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    found = {}
    for batch in (8, 264):
        command = [sys.executable, "-m", "nicheclip.training.probe", "run", "--batch", str(batch)]
        places = ["--configfile", str(tmp_path / "config.yaml")]
        done = subprocess.run(
            [*command, *places], cwd=ROOT, capture_output=True, text=True, check=True
        )
        said = json.loads(done.stdout.splitlines()[-1])
        assert (said["run"], said["batch"]) == ("run", batch)
        found[batch] = said["bytes"]
    # 256 images of 3 x 64 x 64 are 13 MB in float32, their activations much more
    assert found[264] > found[8] + 13e6


def test_it_takes_the_step_of_the_run(tmp_path):
    """Weights move, in pieces and with an average as the run has it."""
    clip = tiny_clip(tmp_path)
    before = clip.model.visual.proj.detach().clone()
    config = training_config(
        recipe={"kind": "contrastive"}, accumulation=2, ema=0.9, gradient_checkpointing=True
    )
    assert measure(config, clip, batch=5) > 0
    assert not clip.model.visual.proj.equal(before)


def test_a_self_supervised_run_is_probed_by_its_crops(tmp_path, capsys):
    """All layers train but the head's last, which waits for an epoch; the teacher follows."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert main(["dino", "--configfile", str(tmp_path / "config.yaml")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["batch"]) == ("dino", 6) and said["bytes"] > 1e6


def test_what_cannot_be_probed_is_said(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    places = ["--configfile", str(tmp_path / "config.yaml")]
    assert main(["other", *places]) == 2
    assert "no run is called 'other'; there are: classes, run, dino" in capsys.readouterr().err
    assert main(["classes", *places]) == 2
    assert "'classes' has no texts" in capsys.readouterr().err
