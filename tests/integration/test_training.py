"""The training loop on a tiny model: what it learns, writes, survives and repeats."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree

import pytest
import torch
from lightning_fabric import Fabric

from fork_server import start, statuses
from nicheclip.config.compute import TrainingComputeConfig
from nicheclip.engine.interruption import EXIT_STATUS, StopRequest
from nicheclip.engine.launch import launch_environment
from nicheclip.engine.processes import Processes
from nicheclip.engine.sampling import slice_sizes
from nicheclip.models.openclip import load, open_clip
from nicheclip.reporting.figures import CURVES
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.training.losses import Logits, Pairs
from nicheclip.training.objectives.contrastive import Contrastive
from nicheclip.training.objectives.multi_positive import MultiPositive
from nicheclip.training.run import TrainingRun, train
from small_training import start_model, texts_of, training_config, write_squares
from training_process import train_disturbed
from workflow_run import clone

WEIGHTS = "open_clip_model.safetensors"
UNFREEZING = {"epochs_per_block": 1, "projections": True, "embeddings": True}
EVERY_STEP = {"checkpoint_seconds": 1e-9}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A start model, 26 training and 7 validation images; an epoch of batches of 8 has 4 steps."""
    folder = tmp_path_factory.mktemp("world")
    write_squares(folder / "squares", train=26, val=7)
    start_model(folder)
    return folder


def run(world, folder, code="", **changes):
    one = training_run(world, folder, training_config(**changes))
    return train(one, images=world / "squares", run_folder=folder / "run", code=code)


def training_run(world, folder, config):
    texts = texts_of(world / "squares")
    return TrainingRun(
        config=config, start=world / "start", seed=0, output=folder / "model", **texts
    )


def environment(**changes):
    """Of a process that finds the library."""
    paths = os.pathsep.join(sys.path)
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | changes


def start_process(world, folder, config, **disturbance):
    """A run in a process of its own, disturbed as ``train_disturbed`` says."""
    folder.mkdir(exist_ok=True)
    one, errors = training_run(world, folder, config), folder / "errors.txt"
    return start(train_disturbed, one, world / "squares", folder, errors=errors, **disturbance)


def run_process(world, folder, config, **disturbance):
    """Its exit status and its errors, when it has ended."""
    process = start_process(world, folder, config, **disturbance)
    return *statuses([process]), (folder / "errors.txt").read_text()


def task(world, folder, config, **changes):
    run = training_run(world, folder, config)
    folders = {"data": world / "squares", "run_folder": folder / "run", "log": folder / "log"}
    return run.as_task(run.config.compute, **folders, **changes)


def run_two_nodes(task):
    """What srun starts on the two nodes of a job; their exit statuses."""
    command = [sys.executable, "-m", "nicheclip.engine.node", str(task.write())]
    step = launch_environment(environment()) | {"SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1"}
    nodes = [subprocess.Popen(command, env=step | {"SLURM_NODEID": node}) for node in "01"]
    return [node.wait(timeout=600) for node in nodes]


def weights(folder):
    return load(folder / "model").model.state_dict()


def largest_difference(one, other):
    return max((one[name] - other[name]).abs().max().item() for name in one)


def logged_steps(folder):
    return [json.loads(line)["step"] for line in (folder / "run/log.jsonl").read_text().split("\n")
            if line]  # fmt: skip


def test_it_learns_and_writes_a_model_that_open_clip_loads(world, tmp_path):
    report = run(world, tmp_path, epochs=10, optimizer={"lr": 3e-3}, compute={"workers": 1})
    assert report.steps == 40 and report.samples_seen == 260 and report.facts == {"classes": 3}
    history = list(csv.DictReader((tmp_path / "model/history.csv").open()))
    assert [int(row["step"]) for row in history] == list(range(4, 44, 4))
    curves = {"loss", "val_accuracy", "lr", "trainable", "logit_scale"}
    assert curves == {key for key, _ in CURVES} & set(history[0])
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) - 0.5
    assert report.final["val_accuracy"] == float(history[-1]["val_accuracy"]) == 1.0
    assert read_json(tmp_path / "model/train.json") == report.model_dump(mode="json")
    assert logged_steps(tmp_path) == list(range(1, 41))
    assert any((tmp_path / "run/tensorboard").iterdir())
    assert not (tmp_path / "run/checkpoints").exists()
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'model'}")
    assert largest_difference(model.state_dict(), weights(tmp_path)) == 0
    assert tuple(preprocess.transforms[-1].mean) == load(world / "start").mean


def test_a_second_run_gives_the_same_bytes(world, tmp_path):
    config = {"unfreezing": UNFREEZING, "texts": {"types": {"caption": 1, "com": 1}}}
    for name, workers in (("one", 0), ("two", 2)):
        run(world, tmp_path / name, compute={"workers": workers}, **config)
    for file in (WEIGHTS, "open_clip_config.json", "history.csv"):
        assert sha256_file(tmp_path / "one/model" / file) == sha256_file(
            tmp_path / "two/model" / file
        )


def test_frozen_weights_stay_and_the_optimiser_never_sees_them(world, tmp_path):
    """Two epochs with one thawed block in the second: the first block is as it was."""
    run(world, tmp_path, epochs=2, unfreezing={"epochs_per_block": 1})
    start, trained = load(world / "start").model.state_dict(), weights(tmp_path)
    moved = {name for name in start if not start[name].equal(trained[name])}
    assert "logit_scale" in moved and "visual.transformer.resblocks.1.mlp.c_fc.weight" in moved
    assert all(name == "logit_scale" or ".resblocks.1." in f".{name}" for name in moved)


@pytest.fixture(scope="module")
def unbroken(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    run(world, folder, unfreezing=UNFREEZING)
    return folder


def same_result(folder, other):
    return all(
        sha256_file(folder / "model" / file) == sha256_file(other / "model" / file)
        for file in (WEIGHTS, "history.csv")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "at_step", "status", "resumed_at"),
    [
        (signal.SIGKILL, 7, -9, 6),  # killed in step 7, in the middle of an epoch
        (signal.SIGTERM, 7, EXIT_STATUS, 7),
        (signal.SIGUSR1, 8, EXIT_STATUS, 8),  # the last step before the next blocks thaw
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    world, unbroken, tmp_path, caplog, number, at_step, status, resumed_at
):
    # Only the kill needs checkpoints within an epoch: the other signals write one.
    compute = EVERY_STEP if number == signal.SIGKILL else {}
    config = training_config(unfreezing=UNFREEZING, compute=compute)
    ended, errors = run_process(world, tmp_path, config, number=number, at_step=at_step)
    assert ended == status, errors
    assert not (tmp_path / "model").exists()
    caplog.set_level("INFO")
    assert run(world, tmp_path, unfreezing=UNFREEZING).resumed_at_steps == [resumed_at]
    assert f"going on after step {resumed_at} of 12" in caplog.text
    assert same_result(tmp_path, unbroken)
    assert logged_steps(tmp_path) == list(range(1, 13))


@pytest.mark.slow
def test_a_damaged_checkpoint_or_another_config_still_ends_right(world, unbroken, tmp_path, caplog):
    config = training_config(unfreezing=UNFREEZING, compute=EVERY_STEP)
    run_process(world, tmp_path, config, number=signal.SIGKILL, at_step=7)
    copytree(tmp_path / "run", tmp_path / "other/run")
    newest = max(tmp_path.glob("run/checkpoints/*/*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    assert run(world, tmp_path, unfreezing=UNFREEZING).resumed_at_steps == [5]
    assert same_result(tmp_path, unbroken)
    caplog.clear()
    caplog.set_level("INFO")
    assert run(world, tmp_path / "other", unfreezing=None).resumed_at_steps == []
    assert re.search(r"checkpoints/\w+: not used: unfreezing {.*}, now null", caplog.text)
    assert "removed 2 old checkpoints (unfreezing {" in caplog.text


def edited(library, change):
    """The digest of the code that training uses after a change of one of its modules."""
    file = library / "src/nicheclip/training/losses.py"
    file.write_text(change(file.read_text()))
    program = (
        "from nicheclip.runtime.code_digest import code_digest; "
        "print(code_digest({!r}, 'nicheclip.training.objectives.multi_positive'))"
    )
    script = str(library / "scripts/train_model.py")
    done = subprocess.run(
        [sys.executable, "-c", program.format(script)],
        env=environment() | {"PYTHONPATH": str(library / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_a_stopped_run_after_an_edit_of_the_code(world, unbroken, tmp_path, caplog):
    """A docstring: it resumes to the same bytes. Code: it stops and says so, nothing is lost."""
    caplog.set_level("INFO")
    library = clone(tmp_path / "clone")
    before = edited(library, lambda text: text)
    config = training_config(unfreezing=UNFREEZING)
    stop = {"number": signal.SIGTERM, "at_step": 7, "code": before}
    assert run_process(world, tmp_path, config, **stop)[0] == EXIT_STATUS
    copytree(tmp_path / "run", tmp_path / "other/run")

    prose = edited(library, lambda text: text.replace('"""', '"""Truly. ', 1) + "# a comment\n")
    report = run(world, tmp_path, code=prose, unfreezing=UNFREEZING)
    assert report.resumed_at_steps == [7] and report.code == [before]
    assert same_result(tmp_path, unbroken)

    code = edited(library, lambda text: text + "EDITED = True\n")
    other = tmp_path / "other"
    with pytest.raises(InputError, match=rf"\(step 7 of 12\).*digest {before}, now {code}"):
        run(world, other, code=code, unfreezing=UNFREEZING)
    assert not (other / "model").exists() and list(other.glob("run/checkpoints/*/*.pt"))
    copytree(other / "run", tmp_path / "again/run")
    choice = {"on_code_change": "continue"}
    report = run(world, other, code=code, unfreezing=UNFREEZING, compute=choice)
    assert report.resumed_at_steps == [7] and report.code == [before, code]
    assert same_result(other, unbroken)
    choice = {"on_code_change": "restart"}
    report = run(world, tmp_path / "again", code=code, unfreezing=UNFREEZING, compute=choice)
    assert report.resumed_at_steps == [] and report.code == [code]
    # of the end of the first epoch, step 4, and of step 7
    assert "removed 2 old checkpoints (other code)" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_are_noted_while_training_and_handed_back_after(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.reason() is None
        os.kill(os.getpid(), number)
        assert stop.reason() == f"{number.name} received"
    assert signal.getsignal(number) == before


def test_a_loss_that_is_not_finite_stops_with_step_and_checkpoint(world, tmp_path):
    with pytest.raises(
        InputError,
        match=r"at step \d+ of 12\. Last good .*: 0{8}.*lr",
    ):
        run(world, tmp_path, optimizer={"lr": 1e38, "weight_decay": 0})
    assert not (tmp_path / "model").exists()


def test_a_last_step_that_blows_up_gives_no_model(world, tmp_path):
    """No loss comes after it that could tell."""
    optimizer = {"lr": 1e38, "weight_decay": 0.2}
    with pytest.raises(InputError, match=r"tensors of the model, the first .* step 1 of 1\. .*lr"):
        run(world, tmp_path, epochs=1, batch_size=26, optimizer=optimizer)
    assert not (tmp_path / "model").exists()


def test_configs_that_do_not_fit_the_machine_or_the_run_are_refused(world, tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="1 GPUs asked for, 0 found on this node"):
            run(world, tmp_path, compute={"gpus": 1})
    with pytest.raises(InputError, match="16-mixed needs a GPU"):
        run(world, tmp_path, precision="16-mixed")
    with pytest.raises(InputError, match="warmup_steps is 12, but the run has only 12"):
        run(world, tmp_path, schedule={"warmup_steps": 12})


@pytest.mark.slow
def test_a_newer_process_takes_the_run_over(world, unbroken, tmp_path):
    config = training_config(unfreezing=UNFREEZING)
    first = start_process(world, tmp_path, config, at_step=7)
    deadline = time.monotonic() + 300
    while not (tmp_path / "waiting").exists():
        assert first.is_alive() and time.monotonic() < deadline
        time.sleep(0.1)
    assert run(world, tmp_path, unfreezing=UNFREEZING).resumed_at_steps[0] >= 7
    assert statuses([first]) == [EXIT_STATUS]
    assert "another process goes on with this run" in (tmp_path / "errors.txt").read_text()
    assert same_result(tmp_path, unbroken)


@pytest.mark.slow
def test_two_nodes_train_the_same_weights_as_one_process(world, tmp_path):
    """Slices of 5 and 4, blocks that thaw between epochs, the same order and augmentation."""
    config = training_config(
        batch_size=9,
        unfreezing=UNFREEZING,
        optimizer={"lr": 1e-3, "eps": 1e-3, "gradient_clip": 1.0},
    )  # a large eps: AdamW would otherwise blow rounding of zero gradients up to whole steps
    run(world, tmp_path / "one", **config.model_dump())
    both = config.model_copy(update={"compute": TrainingComputeConfig(nodes=2, log_every_steps=1)})
    scratch = tmp_path / "scratch"
    stopped = task(world, tmp_path, both, scratch=str(scratch), stop_at=time.time())
    assert run_two_nodes(stopped) == [EXIT_STATUS, 0], (tmp_path / "log").read_text()
    assert "stopped after step 1 of 9: the time limit is near" in (tmp_path / "log").read_text()
    assert run_two_nodes(task(world, tmp_path, both)) == [0, 0], (tmp_path / "log").read_text()
    report = read_json(tmp_path / "model/train.json")
    assert report["processes"] == 2 and report["resumed_at_steps"] == [1]
    assert "copied to" in (tmp_path / "log").read_text()
    assert not list(scratch.glob("nicheclip-*"))
    assert largest_difference(weights(tmp_path), weights(tmp_path / "one")) < 1e-6
    losses = [
        [float(row["loss"]) for row in csv.DictReader((folder / "model/history.csv").open())]
        for folder in (tmp_path, tmp_path / "one")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def gradients(fabric: Fabric, folder: str) -> None:
    """Gradients of a linear model in float64 through the loop's gather and scaling rule."""
    random = torch.Generator().manual_seed(0)
    images, texts = (torch.randn(7, 5, generator=random, dtype=torch.float64) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    sizes = slice_sizes(7, fabric.world_size)
    offset = sum(sizes[: fabric.global_rank])
    part = slice(offset, offset + sizes[fabric.global_rank])
    for objective in (MultiPositive, Contrastive):
        torch.manual_seed(0)
        module = fabric.setup_module(torch.nn.Linear(5, 4).double())
        scale = torch.tensor(7.0, dtype=torch.float64)
        both = module(torch.cat([images[part], texts[part]]))
        features = torch.nn.functional.normalize(both, dim=1)
        own = Pairs(*features.chunk(2), labels[part])
        rows = (own.images, own.texts, own.labels)
        everyone = Pairs(*(Processes(fabric).gather(tensor, sizes) for tensor in rows))
        share = objective.share(None, own, everyone, Logits(scale), offset)
        fabric.backward(share * fabric.world_size)
        if fabric.is_global_zero:
            name = f"{objective.__name__}-{fabric.world_size}.pt"
            torch.save([p.grad for p in module.parameters()], Path(folder) / name)


def test_two_processes_have_the_gradients_of_one(tmp_path):
    gradients(Fabric(accelerator="cpu", devices=1), str(tmp_path))
    spawned = Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    spawned.launch(gradients, str(tmp_path))
    for recipe in ("MultiPositive", "Contrastive"):
        one, two = (torch.load(tmp_path / f"{recipe}-{n}.pt") for n in (1, 2))
        assert max(g.abs().max().item() for g in one) > 1e-3
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
