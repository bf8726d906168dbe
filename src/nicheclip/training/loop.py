"""The training loop: start model and shards to trained model, resumable to the same result."""

import logging
import math
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import NoReturn

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor

from nicheclip.config.training import TrainingConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.models.devices import check_gpus
from nicheclip.models.openclip import Clip, load, save
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_json
from nicheclip.runtime.manifest import package_versions
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import stable_hash
from nicheclip.training.batches import Batch, BatchReader, iterate
from nicheclip.training.checkpoint import Checkpoint, CheckpointFolder
from nicheclip.training.gathering import gather_pairs
from nicheclip.training.interruption import Interrupted, StopRequest
from nicheclip.training.losses import Pairs
from nicheclip.training.optimization import (
    bound_temperature,
    check_warmup,
    learning_rate,
    make_optimizer,
    parameter_groups,
)
from nicheclip.training.origin import origin_of
from nicheclip.training.ownership import Ownership
from nicheclip.training.recipes import make_recipe
from nicheclip.training.records import (
    EpochRecord,
    RunLog,
    StepRecord,
    TrainReport,
    write_history,
)
from nicheclip.training.sampling import Sampling, slice_sizes
from nicheclip.training.unfreezing import Unfreezer, training_mode
from nicheclip.training.validation import Validation, class_mean_accuracy, joined

log = logging.getLogger(__name__)

REPORT_FILE = "train.json"
HISTORY_FILE = "history.csv"


def train(
    config: TrainingConfig,
    *,
    start: Path,
    shards: Path,
    seed: int,
    run_folder: Path,
    output: Path,
    code: str = "",
    stop_at: float | None = None,
) -> TrainReport:
    """Train the model in ``start`` and write the result to ``output``.

    A run that was killed or stopped resumes from its last checkpoint in ``run_folder`` when the
    same call is made again; on a CPU the weights are then, bit by bit, those of an unbroken run
    with the same number of threads. SIGTERM, SIGUSR1, SIGINT, the time ``stop_at`` and a newer
    process for the same run end the step in progress, write a checkpoint and exit with status 75
    (``interruption.EXIT_STATUS``). Checkpoints are deleted when the run is complete.

    Where WORLD_SIZE is set, this is one of so many processes (see ``training.rank``).

    Args:
        config: the run; ``compute.gpus`` 0 trains on the CPU.
        start: model folder in open_clip's layout.
        shards: root of the data set's shards: ``train``, and ``val`` if there is one.
        seed: of the order of samples, augmentation and text choice.
        run_folder: for checkpoints, ``log.jsonl`` and TensorBoard files.
        output: receives the model folder, ``train.json`` and ``history.csv``.
        code: a digest of this code; ``compute.on_code_change`` says what happens to checkpoints
            that other code has written.
        stop_at: seconds since 1970.

    Raises:
        InputError: the config does not fit the model, the data or the machine, the code has changed
            since the checkpoint, or the loss is no longer finite.
        Interrupted: the process was asked to stop.
    """
    fabric = _join_the_processes(config)
    _prepare_torch(config, fabric)
    owner = Ownership(run_folder) if fabric.is_global_zero else None
    try:
        fabric.barrier()  # nobody looks for checkpoints while an earlier process may write one
        with StopRequest(stop_at=stop_at, owner=owner) as stop:
            run = _Run(fabric, config, start, shards, seed, run_folder, code, stop)
            try:
                run.train()
                report = run.report()
            finally:
                run.close()
            if fabric.is_global_zero:
                save(run.clip, output)
                write_history(output / HISTORY_FILE, run.history)
                write_json(output / REPORT_FILE, report.model_dump(mode="json"))
                run.checkpoints.remove()
            fabric.barrier()
    finally:
        if owner:
            owner.release()
    return report


def _join_the_processes(config: TrainingConfig) -> Fabric:
    if config.precision == "16-mixed" and not config.compute.gpus:
        raise InputError(
            "training: precision 16-mixed needs a GPU; use 32-true or bf16-mixed on a CPU."
        )
    compute = config.compute
    check_gpus(compute.node_processes if compute.gpus else 0)
    one_of_many = "WORLD_SIZE" in os.environ
    fabric = Fabric(
        accelerator="cuda" if compute.gpus else "cpu",
        devices=compute.node_processes if one_of_many else 1,
        num_nodes=compute.nodes if one_of_many else 1,
        precision=config.precision,
        plugins=[TorchElasticEnvironment() if one_of_many else LightningEnvironment()],
    )
    fabric.launch()
    if not fabric.is_global_zero:
        log.setLevel(logging.WARNING)  # one process tells the story
    return fabric


def _prepare_torch(config: TrainingConfig, fabric: Fabric) -> None:
    torch.set_num_threads(config.compute.cpu_threads)
    if fabric.device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Costs time, and no kernel here reads memory that nobody wrote.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


class _Run:
    """The state of a run between steps."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainingConfig,
        start: Path,
        shards: Path,
        seed: int,
        run_folder: Path,
        code: str,
        stop: StopRequest,
    ) -> None:
        self._fabric, self._config, self._seed, self._stop = fabric, config, seed, stop
        train_set, val_set = ShardSet(shards / "train"), _validation_set(shards / "val")
        sets = [train_set] if val_set is None else [train_set, val_set]
        self._sampling = self._sampling_of(train_set)
        self._val_sampling = None if val_set is None else self._sampling_of(val_set)
        self._steps = config.epochs * self._sampling.batches
        check_warmup(config.schedule, self._steps)

        self.clip = _with_shared_statistics(load(start), fabric)
        if config.gradient_checkpointing:
            self.clip.model.set_grad_checkpointing()
        self._classes = tuple(sorted({c for split in sets for c in split.class_ids}))
        self._reader, self._val_reader = (
            BatchReader(split, self.clip, config.texts, augment, self._classes, seed)
            for split, augment in ((train_set, config.augment), (val_set or train_set, None))
        )
        self._mean, self._std = (
            torch.tensor(values, device=fabric.device)[:, None, None]
            for values in (self.clip.mean, self.clip.std)
        )
        self._recipe = make_recipe(config.recipe)
        self._unfreezer = Unfreezer(self.clip.model, config.unfreezing)

        self._step = 0
        self._epoch_loss = 0.0  # sum over the samples of this epoch
        self._seconds = 0.0
        self._resumed_at: list[int] = []
        self.history: list[EpochRecord] = []
        version = self._recipe.version
        self.checkpoints = CheckpointFolder(
            run_folder / "checkpoints",
            origin_of(config, version=version, seed=seed, start=start, shards=sets),
            steps=self._steps,
            code=code,
            on_code_change=config.compute.on_code_change,
        )
        self._last_checkpoint: Path | None = None
        self._thaw(0)
        self._resume()
        self._log = RunLog(run_folder, resume_at=self._step) if fabric.is_global_zero else None

    def _sampling_of(self, split: ShardSet) -> Sampling:
        sampling = Sampling(tuple(split.shard_sizes), self._config.batch_size, self._seed)
        sampling.check_processes(self._fabric.world_size)
        return sampling

    def train(self) -> None:
        """All steps that are left."""
        plans = self._sampling.plans(
            self._step, self._steps, rank=self._fabric.global_rank, world=self._fabric.world_size
        )
        batches = iterate(
            self._reader,
            plans,
            workers=self._config.compute.workers,
            pin_memory=self._fabric.device.type == "cuda",
        )
        if self._fabric.is_global_zero:
            left = self._steps - self._step
            batches = progress(batches, label="train (steps)", total=left)
        written = mark = time.monotonic()
        logged = (self._seconds, self._samples_seen())
        for batch in batches:
            epoch, number = divmod(self._step, self._sampling.batches)
            self._thaw(epoch)
            rate = self._set_learning_rate()
            loss = self._train_step(batch)
            stop = self._stop_requested()  # by all processes at the same step
            self._step += 1
            self._epoch_loss += loss * self._sampling.batch_length(number)
            self._seconds += time.monotonic() - mark
            if self._step % self._config.compute.log_every_steps == 0 or self._step == self._steps:
                self._log_step(epoch, loss, rate, logged)
                logged = (self._seconds, self._samples_seen())
            epoch_ends = number + 1 == self._sampling.batches
            if epoch_ends:
                self._end_epoch(epoch, rate)
            due = time.monotonic() - written > self._config.compute.checkpoint_seconds
            if epoch_ends or stop or due:
                self._write_checkpoint()
                written = time.monotonic()
            if stop and self._step < self._steps:
                self._leave()
            mark = time.monotonic()

    def _leave(self) -> NoReturn:
        self._fabric.barrier()  # the checkpoint is written before any process leaves
        reason = self._stop.reason() or "another process was asked to stop"
        log.info("stopped after step %d of %d: %s", self._step, self._steps, reason)
        raise Interrupted(rank=self._fabric.global_rank)

    def _thaw(self, epoch: int) -> None:
        """Let train what is due, and tell DDP and the optimiser."""
        names = self._unfreezer.apply(epoch)
        if not names:
            return
        groups = parameter_groups(self.clip.model, names, self._config.optimizer.weight_decay)
        self._module = self._fabric.setup_module(self.clip.model)
        training_mode(self.clip.model)
        if epoch == 0:
            # The scaler of 16-mixed cannot unscale for clipping what a fused step unscales itself.
            fused = self._config.precision != "16-mixed"
            adamw = make_optimizer(self._config.optimizer, groups, fused=fused)
            optimizer = self._fabric.setup_optimizers(adamw)
            assert isinstance(optimizer, _FabricOptimizer)
            self._optimizer = optimizer
        else:
            for group in groups:
                self._optimizer.optimizer.add_param_group(group)
        self._trainable = sum(p.numel() for p in self.clip.model.parameters() if p.requires_grad)
        log.info("epoch %d: %d parameters train", epoch + 1, self._trainable)

    def _set_learning_rate(self) -> float:
        base, schedule = self._config.optimizer.lr, self._config.schedule
        rate = learning_rate(base, schedule, self._step, self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _train_step(self, batch: Batch) -> float:
        """One step; returns the loss of the batch before it."""
        rank, world = self._fabric.global_rank, self._fabric.world_size
        torch.manual_seed(stable_hash(self._seed, "step", self._step, rank))  # dropout, if any
        length = self._sampling.batch_length(self._step % self._sampling.batches)
        share, _ = self._share(batch, length)
        loss = self._sum(share.detach())
        if not math.isfinite(loss):
            self._not_finite(loss)
        self._fabric.backward(share * world)
        if self._config.optimizer.gradient_clip is not None:
            self._fabric.clip_gradients(
                self._module,
                self._optimizer,
                max_norm=self._config.optimizer.gradient_clip,
                error_if_nonfinite=False,  # in 16-mixed the scaler skips such a step
            )
        self._optimizer.step()
        self._optimizer.zero_grad()
        bound_temperature(self.clip.model)
        return loss

    def _share(self, batch: Batch, length: int) -> tuple[Tensor, Pairs]:
        """This process's share of the loss of a batch of ``length`` pairs, and all its pairs."""
        batch = self._fabric.to_device(batch)
        images = (batch.images.float() / 255 - self._mean) / self._std
        image_features, text_features, logit_scale = self._module(images, batch.tokens)[:3]
        own = Pairs(image_features.float(), text_features.float(), batch.labels)
        sizes = slice_sizes(length, self._fabric.world_size)
        everyone = gather_pairs(self._fabric, own, sizes)
        offset = sum(sizes[: self._fabric.global_rank])
        return self._recipe.share(own, everyone, logit_scale, offset), everyone

    def _stop_requested(self) -> bool:
        """Whether any process was asked to stop: a scheduler may signal only one of them."""
        requested = float(self._stop.reason() is not None)
        return self._sum(torch.tensor(requested, device=self._fabric.device)) > 0

    def _sum(self, value: Tensor) -> float:
        """``value`` summed over all processes."""
        total = self._fabric.all_reduce(value.double(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return float(total)

    def _not_finite(self, loss: float) -> None:
        checkpoint = self._last_checkpoint or "none was written"
        raise InputError(
            f"training: the loss is {loss} at step {self._step + 1} of {self._steps}. Last good "
            f"checkpoint: {checkpoint}. Lower optimizer.lr, set optimizer.gradient_clip, lengthen "
            "schedule.warmup_steps, or use precision 32-true or bf16-mixed instead of 16-mixed."
        )

    def _end_epoch(self, epoch: int, rate: float) -> None:
        validation = self._validate()
        record = EpochRecord(
            epoch=epoch + 1,
            step=self._step,
            loss=self._epoch_loss / self._sampling.samples,
            val_loss=validation.loss if validation else None,
            val_accuracy=validation.accuracy if validation else None,
            lr=rate,
            logit_scale=self.clip.logit_scale,
            trainable=self._trainable,
        )
        self._epoch_loss = 0.0
        self.history.append(record)
        if self._log:
            self._log.epoch(record)
            log.info("epoch %d of %d: %s", record.epoch, self._config.epochs, record.figures())

    @torch.no_grad()
    def _validate(self) -> Validation | None:
        if self._val_sampling is None:
            return None
        plans = self._val_sampling.plans(
            0,
            self._val_sampling.batches,
            rank=self._fabric.global_rank,
            world=self._fabric.world_size,
        )
        batches = iterate(self._val_reader, plans, workers=self._config.compute.workers)
        if self._fabric.is_global_zero:
            batches = progress(
                batches, label="validate (batches)", total=self._val_sampling.batches
            )
        self.clip.model.eval()
        loss, parts = 0.0, []
        for number, batch in enumerate(batches):
            length = self._val_sampling.batch_length(number)
            share, pairs = self._share(batch, length)
            loss += self._sum(share) * length
            parts.append(pairs)
        training_mode(self.clip.model)
        return Validation(loss / self._val_sampling.samples, class_mean_accuracy(joined(parts)))

    def _write_checkpoint(self) -> None:
        if not self._fabric.is_global_zero:
            return
        state = {
            "model": self.clip.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
            "trainable": [n for n, p in self.clip.model.named_parameters() if p.requires_grad],
            "history": [record.model_dump() for record in self.history],
            "epoch_loss": self._epoch_loss,
            "seconds": self._seconds,
            "resumed_at": self._resumed_at,
        }
        self._last_checkpoint = self.checkpoints.save(Checkpoint(self._step, state))

    def _resume(self) -> None:
        checkpoint = self.checkpoints.latest()
        self._check_all_see_the_same(checkpoint.step if checkpoint else 0)
        if checkpoint is None:
            return
        self._step, state = checkpoint.step, checkpoint.state
        self._last_checkpoint = checkpoint.file
        for epoch in range(1, (self._step - 1) // self._sampling.batches + 1):
            self._thaw(epoch)  # as far as the last step had it: the optimiser's groups must match
        self.clip.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._fabric.strategy.precision.load_state_dict(state["precision"])
        self.history = [EpochRecord.model_validate(record) for record in state["history"]]
        self._epoch_loss, self._seconds = state["epoch_loss"], state["seconds"]
        self._resumed_at = [*state["resumed_at"], self._step]
        log.info("going on after step %d of %d", self._step, self._steps)

    def _check_all_see_the_same(self, step: int) -> None:
        """Raise InputError if a shared file system shows processes different checkpoints."""
        mean = self._sum(torch.tensor(step, device=self._fabric.device)) / self._fabric.world_size
        if self._sum(torch.tensor(step != mean, device=self._fabric.device)):
            raise InputError(
                f"{self.checkpoints.folder}: the nodes see different checkpoints (here: step "
                f"{step}); the file system shows them late. Run the same command again."
            )

    def _samples_seen(self) -> int:
        epoch, number = divmod(self._step, self._sampling.batches)
        return epoch * self._sampling.samples + number * self._sampling.batch_size

    def _log_step(self, epoch: int, loss: float, rate: float, since: tuple[float, int]) -> None:
        if self._log is None:
            return
        seconds, samples = self._seconds - since[0], self._samples_seen() - since[1]
        self._log.step(
            StepRecord(
                step=self._step,
                epoch=epoch,
                loss=loss,
                lr=rate,
                logit_scale=self.clip.logit_scale,
                images_per_second=round(samples / seconds, 3),
                trainable=self._trainable,
            )
        )

    def close(self) -> None:
        """Close the log files."""
        if self._log:
            self._log.close()

    def report(self) -> TrainReport:
        """The facts of the finished run."""
        last = self.history[-1]
        return TrainReport(
            config=self._config.determines(),
            compute=self._config.compute.model_dump(mode="json"),
            seed=self._seed,
            fingerprint=self.checkpoints.fingerprint,
            code=list(self.checkpoints.code),
            epochs=self._config.epochs,
            steps=self._step,
            samples_seen=self._samples_seen(),
            classes=len(self._classes),
            final_loss=last.loss,
            final_val_loss=last.val_loss,
            final_val_accuracy=last.val_accuracy,
            final_logit_scale=last.logit_scale,
            trainable=self._trainable,
            parameters=sum(p.numel() for p in self.clip.model.parameters()),
            resumed_at_steps=self._resumed_at,
            seconds=round(self._seconds, 3),
            seconds_per_iteration=round(self._seconds / self._step, 6),
            images_per_second=round(self._samples_seen() / self._seconds, 3),
            device=_device_name(self._fabric.device),
            processes=self._fabric.world_size,
            threads=torch.get_num_threads(),
            precision=self._config.precision,
            peak_memory_bytes=_peak_memory(self._fabric.device),
            packages=package_versions(),
            python=platform.python_version(),
        )


def _validation_set(folder: Path) -> ShardSet | None:
    """The shards in ``folder``, if there are any with at least the two samples of a contrast."""
    if not any(folder.glob("*.parquet")):
        return None
    shards = ShardSet(folder)
    return shards if len(shards) >= 2 else None


def _with_shared_statistics(clip: Clip, fabric: Fabric) -> Clip:
    """Batch norms see the whole batch, not one GPU's part (torch offers it on GPUs only)."""
    if fabric.world_size == 1 or fabric.device.type != "cuda":
        return clip
    model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(clip.model)
    return Clip(model, clip.tokenizer, clip.model_config)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024
