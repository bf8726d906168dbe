"""Objectives that classify images, without any text: what they share."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nicheclip.config.training import TrainingConfig
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Objective, Outputs, ParameterGroup, Step
from nicheclip.engine.processes import Processes
from nicheclip.models.deltas import model_files
from nicheclip.models.openclip import Clip, load, save
from nicheclip.models.views import Normalise, ViewSettings
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash
from nicheclip.training.data import LabelledSplit, TrainingData
from nicheclip.training.image_reader import ImageReader
from nicheclip.training.target_reader import TargetReader
from nicheclip.training.targets import UNKNOWN, Targets, make_targets
from nicheclip.training.unfreezing import Unfreezing
from nicheclip.training.validation import validation_batches

VISUAL, HEADS = "visual.", "heads."


class ClassModule(nn.Module):
    """An image tower with a linear head for each question, on the features that CLIP compares."""

    def __init__(self, clip: Clip, targets: Targets, seed: int) -> None:
        super().__init__()
        self.visual = clip.model.visual
        self.normalise = Normalise(ViewSettings.of(clip))
        width = int(clip.model_config["embed_dim"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_hash(seed, "heads"))
            self.heads = nn.ModuleList(nn.Linear(width, size) for size in targets.sizes)

    def forward(self, batch: Batch) -> Outputs:
        """``losses`` and ``right`` [n, heads]: each image's cross-entropy, and 1 where the answer
        is right; both 0 where the answer is unknown. Logits of many classes stay in here, so that
        a batch in pieces holds them for one piece alone.
        """
        features = self.visual(self.normalise(batch["images"]))
        losses, right = [], []
        for head, target in zip(self.heads, batch["targets"].T, strict=True):
            logits = head(features).float()
            losses.append(
                functional.cross_entropy(logits, target, ignore_index=UNKNOWN, reduction="none")
            )
            right.append((logits.detach().argmax(dim=1) == target).float())
        return {"losses": torch.stack(losses, dim=1), "right": torch.stack(right, dim=1)}


class ClassObjective(Objective):
    """Cross-entropies of one or more heads, summed; each is the mean over the images of the batch
    whose answer is known. The text tower is saved as it was at the start.

    Raises:
        InputError: ``start`` or ``data`` cannot be read, or there is nothing to tell apart.
    """

    def __init__(
        self, config: TrainingConfig, *, start: Path, data: TrainingData, seed: int
    ) -> None:
        self._config, self._start, self._seed = config, start, seed
        self._train = data.labelled("train")
        val = data.labelled("val") if data.has("val") else None
        self._val = val if val and len(val.labels) > 1 else None  # a batch has two images or more
        self._clip = load(start)
        if config.gradient_checkpointing:
            self._clip.model.set_grad_checkpointing()
        taxa = self.taxa(self._train.labels.classes, data)
        self._targets = make_targets(taxa, self._train.labels)
        self.module = ClassModule(self._clip, self._targets, seed)
        self._unfreezing = Unfreezing(self._clip.model, config.unfreezing)

    @abstractmethod
    def taxa(
        self, classes: Sequence[str], data: TrainingData
    ) -> Mapping[str, Sequence[Hashable | None]]:
        """For each head, by its name, what each of ``classes`` is called; None: it has no name."""

    @property
    def reader(self) -> TargetReader:
        """Of the training images."""
        return self._reader_of(self._train, augment=True)

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Of the training images."""
        return self._train.images.tar_sizes

    def inputs(self) -> Mapping[str, str]:
        """The start model; where every image lies, its class, and the answers of the heads."""
        model = [sha256_file(file) for file in model_files(self._start)]
        splits = [split for split in (self._train, self._val) if split]
        data = [sha256_file(file) for split in splits for file in split.files]
        return {
            "start model": f"{stable_hash(*model):016x}",
            "data": f"{stable_hash(*data):016x}",
            "ranks of the classes": f"{stable_hash(self._targets.answers.tolist()):016x}",
        }

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """What the config thaws of the image tower in ``epoch``; the heads train from the start."""
        names = [name for name in self._unfreezing.thawed(epoch) if name.startswith(VISUAL)]
        if epoch == 0:
            names += [n for n, _ in self.module.named_parameters() if n.startswith(HEADS)]
        if names:
            yield ParameterGroup(names)

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``; beside the loss that of each head, where there are several."""
        counts = _known(batch, step.processes).clamp(min=1)
        terms = outputs["losses"].sum(dim=0) / counts.to(outputs["losses"])
        found = {LOSS: terms.sum()}
        if len(self._targets.heads) > 1:
            found |= {
                f"loss_{head}": term.detach()
                for head, term in zip(self._targets.heads, terms, strict=True)
            }
        return found

    def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
        """Loss, and accuracy of the finest head, on the validation images; of each head, where
        there are several. Images of classes without training images are left out.
        """
        heads = self._targets.heads
        names = [f"val_accuracy_{head}" for head in heads] if len(heads) > 1 else []
        found: dict[str, float | None] = dict.fromkeys(["val_loss", "val_accuracy", *names])
        if self._val is None:
            return found
        losses, right, counts = self._validate(epoch, self._val)
        if all(counts):
            shares = [hits / count for hits, count in zip(right, counts, strict=True)]
            found["val_loss"] = sum(x / n for x, n in zip(losses, counts, strict=True))
            found |= {"val_accuracy": shares[-1], **dict(zip(names, shares, strict=False))}
        return found

    @torch.no_grad()
    def _validate(self, epoch: Epoch, split: LabelledSplit) -> list[list[float]]:
        """Sums over the validation images by head: losses, right answers, known answers."""
        processes, tars = epoch.processes, split.images.tar_sizes
        reader = self._reader_of(split, augment=False)
        self.module.eval()
        sums = torch.zeros(3, len(self._targets.heads), dtype=torch.float64)
        for batch, _ in validation_batches(reader, tars, self._config, self._seed, epoch):
            outputs = epoch.forward(batch)
            own = torch.stack([outputs[name].double().sum(dim=0) for name in ("losses", "right")])
            sums[:2] += processes.sum(own).cpu()
            sums[2] += _known(batch, processes).cpu()
        found: list[list[float]] = sums.tolist()
        return found

    def _reader_of(self, split: LabelledSplit, *, augment: bool) -> TargetReader:
        views = ViewSettings.of(self._clip)
        changes = self._config.augment if augment else None
        images = ImageReader(split.images, views, changes, self._seed)
        return TargetReader(images, split.labels, self._targets)

    def facts(self) -> Mapping[str, Any]:
        """The classes that the data set names, and the answers of each head."""
        answers = dict(zip(self._targets.heads, self._targets.sizes, strict=True))
        return {"classes": len(self._train.labels.classes), "answers": answers}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images."""
        return [self._train.images.image_id(place) for place in places]

    def save(self, folder: Path) -> None:
        """Write the model in open_clip's layout; the heads are left out."""
        save(self._clip, folder)


def _known(batch: Batch, processes: Processes) -> Tensor:
    """[heads], float64: how many images of all processes have a known answer."""
    return processes.sum((batch["targets"] != UNKNOWN).sum(dim=0))
