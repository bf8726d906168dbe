"""How much memory a training needs, measured by one step with made-up images and texts.

``python -m nicheclip.training.probe RUN --configfile FILE`` prints the most that one process takes
for its part of a batch, on this machine's GPU if the run asks for GPUs. The run is one of the
sections `training` and `pretraining`. Weights are random, and no
data is read: a step takes as much whatever the numbers are.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nicheclip.config.compute import ComputeConfig
from nicheclip.config.models import ModelConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.config.workflow import check_file, parse_config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.engine.loading import Batch, Reader
from nicheclip.engine.machine import peak_memory
from nicheclip.engine.objective import LOSS, Objective, Outputs, Step
from nicheclip.engine.processes import join_processes
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.updates import Updates
from nicheclip.models.openclip import Clip, create
from nicheclip.runtime.errors import InputError
from nicheclip.training.losses import Pairs, contrastive_share
from nicheclip.training.objectives.dino import Dino
from nicheclip.training.objectives.pairs import PairModule


class _Probe(Objective):
    """CLIP's loss on whatever it is given; nothing is read or saved."""

    version = 0
    shard_sizes = ()

    def __init__(self, clip: Clip, *, checkpointing: bool) -> None:
        if checkpointing:
            clip.model.set_grad_checkpointing()
        self.module = PairModule(clip)

    @property
    def reader(self) -> Reader:
        raise NotImplementedError

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        del step
        pairs = Pairs(outputs["images"].float(), outputs["texts"].float(), batch["labels"])
        return {LOSS: contrastive_share(pairs, pairs, outputs["logit_scale"], 0)}

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def _settings(config: TrainingConfig | PretrainingConfig, batch: int) -> RunSettings:
    """Of one process, on one GPU at most, and without a warm-up."""
    compute = ComputeConfig(
        gpus=min(config.compute.gpus, 1), cpu_threads=config.compute.cpu_threads
    )
    return RunSettings(
        epochs=1,
        batch_size=batch,
        seed=0,
        optimizer=config.optimizer,
        schedule=config.schedule.model_copy(update={"warmup_steps": 0}),
        compute=compute,
        determines={},
        precision=config.precision,
    )


def measure(config: TrainingConfig, clip: Clip, *, batch: int) -> int:
    """Bytes that a process takes at most in one step, that of its start included.

    Args:
        config: of the run: accumulation, precision, gradient checkpointing, optimiser.
        clip: the model.
        batch: images of this process.

    Raises:
        InputError: the machine has no GPU, and the run asks for some; or its memory is too small.
    """
    settings = replace(
        _settings(config, batch),
        pieces=config.accumulation,
        ema=config.ema,
        channels_last=config.channels_last,
        compiled=config.compile,
    )
    size = clip.image_size
    made_up = {
        "images": torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8),
        "tokens": clip.tokenizer(["a photo of something"] * batch),
        "labels": torch.arange(batch),
    }
    objective = _Probe(clip, checkpointing=config.gradient_checkpointing)
    return one_step(settings, objective, made_up, batch)


def one_step(settings: RunSettings, objective: Objective, made_up: Batch, batch: int) -> int:
    """Bytes that a process takes at most in one step with a ``made_up`` batch.

    Raises:
        InputError: as ``measure``.
    """
    processes = join_processes(settings.compute, settings.precision)
    updates = Updates(processes, settings, objective)
    step = Step(0, 1, 0, (batch,), processes)
    try:
        passed = updates.seeded_pass(0)
        on_device = processes.to_device(made_up)
        terms = objective.losses(passed.forward(on_device), on_device, step)
        processes.fabric.backward(terms[LOSS])
        passed.finish()
        updates.apply(0, 1)
        objective.after_step(step)
        updates.kept.after_step()
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"probe: {batch} images a process do not fit into the memory of this GPU. Try "
            "--batch with less, or set accumulation or gradient_checkpointing."
        ) from error
    return peak_memory(processes.device)


class _DinoProbe(Dino):
    """The step of a run without its images."""

    def __init__(self, config: PretrainingConfig) -> None:
        self._config, self._recipe, self._seed = config, config.recipe, 0
        self._build()


def measure_pretraining(config: PretrainingConfig, *, batch: int) -> int:
    """The same for a self-supervised run; see ``measure``."""
    config = config.model_copy(update={"weights": None})
    crops, shape = config.recipe.crops, (batch, 2, 3, config.size, config.size)
    small = (batch, crops.local_crops, 3, crops.local_size, crops.local_size)
    made_up = {
        "globals": torch.randint(0, 256, shape, dtype=torch.uint8),
        "locals": torch.randint(0, 256, small, dtype=torch.uint8),
    }
    return one_step(_settings(config, batch), _DinoProbe(config), made_up, batch)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.training.probe", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("run", help="by its name under `training` or `pretraining`")
    parser.add_argument("--configfile", default=Path("config.yaml"), type=Path)
    parser.add_argument("--registry", default=Path("workflow/registry/models"), type=Path)
    parser.add_argument("--batch", type=int, help="images of the process; else its part of a batch")
    options = parser.parse_args(arguments)
    try:
        check_file(options.configfile)
        config = parse_config(read_yaml(options.configfile), [options.configfile])
        runs: dict[str, TrainingConfig | PretrainingConfig]
        runs = {**config.training, **config.pretraining}
        if options.run not in runs:
            known = ", ".join(runs)
            raise InputError(f"probe: no run is called {options.run!r}; there are: {known}.")
        run = runs[options.run]
        processes = run.compute.node_processes * run.compute.nodes
        batch = options.batch or -(-run.batch_size // processes)
        if isinstance(run, PretrainingConfig):
            found = measure_pretraining(run, batch=batch)
        else:
            if not run.recipe.trains_texts:
                raise InputError(f"probe: {options.run!r} has no texts; probe a contrastive run.")
            architecture = config.models[run.model].architecture
            clip = create(ModelConfig(architecture=architecture), seed=0, registry=options.registry)
            found = measure(run, clip, batch=batch)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({"run": options.run, "batch": batch, "bytes": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
