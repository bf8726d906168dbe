"""The steps of a run, its epochs and checkpoints, and the state between them."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import torch

from nicheclip.engine.card import Card
from nicheclip.engine.checkpoint import Checkpoint, CheckpointFolder
from nicheclip.engine.chosen import plans_of
from nicheclip.engine.divergence import diverged, figures_not_finite, weights_not_finite
from nicheclip.engine.interruption import Interrupted, StopRequest
from nicheclip.engine.loading import Batch, load_batches
from nicheclip.engine.machine import RunTime, machine_facts
from nicheclip.engine.objective import LOSS, Epoch, Objective, Step
from nicheclip.engine.optimization import check_warmup
from nicheclip.engine.origin import Origin
from nicheclip.engine.out_of_memory import explained
from nicheclip.engine.processes import Processes, check_all_see_the_same
from nicheclip.engine.records import Figures, RunLog, RunReport, in_words
from nicheclip.engine.sampling import BatchPlan, Sampling, slice_sizes
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.updates import Updates, set_training_mode
from nicheclip.runtime.progress import progress

log = logging.getLogger(__name__)


class Loop:
    """The state of a run between steps."""

    def __init__(
        self,
        processes: Processes,
        settings: RunSettings,
        objective: Objective,
        run_folder: Path,
        code: str,
        stop: StopRequest,
        after_epoch: Callable[[Objective, int, str], None] | None,
    ) -> None:
        self._processes, self._settings, self._stop = processes, settings, stop
        self.objective, self._after_epoch = objective, after_epoch
        self._sampling = Sampling(tuple(objective.shard_sizes), settings.batch_size, settings.seed)
        self._sampling.check_processes(processes.world)
        self._epochs = max(settings.epochs, -(-settings.min_steps // self._sampling.batches))
        self._steps = self._epochs * self._sampling.batches
        check_warmup(settings.schedule, self._steps)
        self.updates = Updates(processes, settings, objective)

        self._step = 0
        self._begun = -1  # the last epoch that has begun
        self._sums: Counter[str] = Counter()  # of each term over the samples of this epoch
        self._time, self._card = RunTime(), Card(processes)
        self.history: list[Figures] = []
        origin = Origin(
            version=objective.version,
            config=settings.determines,
            seed=settings.seed,
            inputs=dict(objective.inputs()),
        )
        self.checkpoints = CheckpointFolder(
            run_folder / "checkpoints",
            origin,
            steps=self._steps,
            code=code,
            on_code_change=settings.compute.on_code_change,
        )
        self._last_checkpoint: Path | None = None
        self._resume()
        self._log = RunLog(run_folder, resume_at=self._step) if processes.is_first else None

    def train(self) -> None:
        """All steps that are left."""
        batches: Iterator[tuple[BatchPlan, Batch]] = self._batches()
        if self._processes.is_first:
            left = self._steps - self._step
            batches = progress(batches, label="train (steps)", total=left)
        written = time.monotonic()
        self._time.start(self._samples_seen())
        for plan, batch in batches:
            self._begin_epoch(plan.epoch)
            with explained(batch, self.updates, self._processes, self._settings):
                terms, rate, stop = self._train_step(plan, batch)
            self._step += 1
            length = self._sampling.batch_length(plan.number)
            self._sums.update({name: value * length for name, value in terms.items()})
            self._time.step_done()
            if self._step % self._settings.compute.log_every_steps == 0 or self._is_done:
                self._log_step(plan.epoch, terms, rate)
            epoch_ends = plan.number + 1 == self._sampling.batches
            due = time.monotonic() - written > self._settings.compute.checkpoint_seconds
            saves = epoch_ends or stop or due
            if saves:
                self._check(weights_not_finite(self.objective, self._processes), plan)
            if epoch_ends:
                self._end_epoch(plan, rate)
            if saves:
                self._write_checkpoint()
                written = time.monotonic()
            if stop and not self._is_done:
                self._leave()
            self._time.resume()
        self.updates.give_result()

    @property
    def _is_done(self) -> bool:
        return self._step == self._steps

    def _batches(self) -> Iterator[tuple[BatchPlan, Batch]]:
        """The batches that are left, read ahead as far as their samples are known."""
        while not self._is_done:
            self._begin_epoch(self._step // self._sampling.batches)
            yield from load_batches(
                self.objective.reader,
                plans_of(self.objective, self._sampling, self._step, self._steps, self._processes),
                workers=self._settings.compute.workers,
                pin_memory=self._processes.device.type == "cuda",
            )

    def _leave(self) -> NoReturn:
        self._processes.fabric.barrier()  # the checkpoint is written before any process leaves
        reason = self._stop.reason() or "another process was asked to stop"
        done = "stopped after step %d of %d: %s. The same command goes on from here"
        log.info(done, self._step, self._steps, reason)
        raise Interrupted(rank=self._processes.rank)

    def _begin_epoch(self, epoch: int) -> None:
        if epoch == self._begun:
            return
        self.updates.let_train(epoch)
        self._begun = epoch
        self.objective.begin_epoch(self._at_epoch(epoch))
        set_training_mode(self.objective.module)

    def _at_epoch(self, epoch: int) -> Epoch:
        workers = self._settings.compute.workers
        return Epoch(epoch, self._step, self._processes, self.updates.forward, workers)

    def _end_epoch(self, plan: BatchPlan, rate: float) -> None:
        epoch = plan.epoch
        with self.updates.kept.in_use():
            found = self.objective.end_epoch(self._at_epoch(epoch))
            self.updates.kept.end_epoch(found, epoch)
            if self._after_epoch and self._processes.is_first:
                self._after_epoch(self.objective, epoch, self.checkpoints.fingerprint)
        set_training_mode(self.objective.module)
        means = {name: total / self._sampling.samples for name, total in self._sums.items()}
        self._sums.clear()
        record: Figures = {"epoch": epoch + 1, "step": self._step, LOSS: means.pop(LOSS)}
        record |= {**means, **found, "lr": rate, **self.objective.figures()}
        record["trainable"] = self.updates.trainable
        self._check(figures_not_finite(record), plan)
        self.history.append(record)
        if self._log:
            self._log.epoch(record)
            log.info("epoch %d of %d: %s", epoch + 1, self._epochs, in_words(record))

    def _train_step(self, plan: BatchPlan, batch: Batch) -> tuple[dict[str, float], float, bool]:
        """One step; the terms of the loss before it, the learning rate, and whether to stop.

        The numbers are asked for before the backward pass and read after the step, so that the host
        does not wait for the device in between.
        """
        processes, step = self._processes, self._at_step(plan)
        forward = self.updates.seeded_pass(self._step)
        batch = processes.to_device(batch)
        with self._card.counting("forward"):
            terms = self.objective.losses(forward.forward(batch), batch, step)
        asked_to_stop = torch.full(
            (), float(self._stop.reason() is not None), device=processes.device
        )
        numbers = [value.detach().double() for value in (*terms.values(), asked_to_stop)]
        read = processes.read_sum(torch.stack(numbers))
        with self._card.counting("backward"):
            processes.fabric.backward(terms[LOSS] * processes.world)
            forward.finish()
        self._card.step_done(step.sizes[processes.rank])
        rate = self.updates.apply(self._step, self._steps)
        self.objective.after_step(step)
        self.updates.kept.after_step()
        *values, stop = read()
        found = dict(zip(terms, values, strict=True))
        self._check(figures_not_finite({f"the {LOSS}": found[LOSS]}), plan)
        alone = processes.world == 1
        return found, rate, stop > 0 or (alone and self._stop.reason() is not None)

    def _at_step(self, plan: BatchPlan) -> Step:
        length = self._sampling.batch_length(plan.number)
        sizes = tuple(slice_sizes(length, self._processes.world))
        return Step(self._step, self._steps, plan.epoch, sizes, self._processes)

    def _check(self, wrong: str | None, plan: BatchPlan) -> None:
        """Raise InputError if something is ``wrong`` after the step of ``plan``."""
        if wrong:
            number = plan.epoch * self._sampling.batches + plan.number + 1
            samples = self.objective.sample_names(plan.indices.tolist())
            step = f"step {number} of {self._steps}"
            raise diverged(wrong, step, checkpoint=self._last_checkpoint, samples=samples)

    def _write_checkpoint(self) -> None:
        updates, card = self.updates.state_dict(), self._card.state_dict()  # all must ask
        if not self._processes.is_first:
            return
        state = {
            "updates": updates,
            "history": self.history,
            "sums": dict(self._sums),
            "time": self._time.state_dict(),
            "card": card,
        }
        self._last_checkpoint = self.checkpoints.save(Checkpoint(self._step, state))

    def _resume(self) -> None:
        checkpoint = self.checkpoints.latest()
        step = checkpoint.step if checkpoint else 0
        check_all_see_the_same(self._processes, step, self.checkpoints.folder)
        if checkpoint is None:
            return
        self._step, state = checkpoint.step, checkpoint.state
        self._last_checkpoint = checkpoint.file
        self._begun = (self._step - 1) // self._sampling.batches
        for epoch in range(1, self._begun + 1):
            self.updates.let_train(epoch)  # as the last step had it
        self.updates.load_state_dict(state["updates"])
        self.history, self._sums = state["history"], Counter(state["sums"])
        self._time.load_state_dict(state["time"], resumed_at=self._step)
        self._card.load_state_dict(state.get("card", {}))
        log.info("going on after step %d of %d", self._step, self._steps)

    def _samples_seen(self) -> int:
        epoch, number = divmod(self._step, self._sampling.batches)
        return epoch * self._sampling.samples + number * self._sampling.batch_size

    def _log_step(self, epoch: int, terms: dict[str, float], rate: float) -> None:
        if self._log is None:
            return
        record: Figures = {"step": self._step, "epoch": epoch}
        record |= {**terms, "lr": rate, **self.objective.figures()}
        record["images_per_second"] = round(self._time.rate(self._samples_seen()), 3)
        self._log.step(record | {"trainable": self.updates.trainable})

    def close(self) -> None:
        """Close the log files."""
        if self._log:
            self._log.close()

    def report(self) -> RunReport:
        """The facts of the finished run."""
        seconds = self._time.seconds
        return RunReport(
            config=self._settings.determines,
            compute=self._settings.compute.model_dump(mode="json"),
            seed=self._settings.seed,
            fingerprint=self.checkpoints.fingerprint,
            code=list(self.checkpoints.code),
            epochs=self._epochs,
            steps=self._step,
            samples_seen=self._samples_seen(),
            facts=dict(self.objective.facts()),
            final=self.history[-1],
            kept_epoch=self.updates.kept.epoch or self._epochs,
            trainable=self.updates.trainable,
            parameters=sum(p.numel() for p in self.objective.module.parameters()),
            resumed_at_steps=self._time.resumed_at,
            seconds=round(seconds, 3),
            seconds_per_iteration=round(seconds / self._step, 6),
            images_per_second=round(self._samples_seen() / seconds, 3),
            precision=self._settings.precision,
            processes=self._processes.world,
            **machine_facts(self._processes.device),
            **self._card.facts(self._samples_seen() / seconds, self._settings.precision),
        )
