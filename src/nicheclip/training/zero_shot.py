"""Zero-shot accuracy after every epoch, on images that judge nothing else."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.config.training import TextConfig, TrainingConfig, ValidationConfig
from nicheclip.engine.objective import Epoch
from nicheclip.models.openclip import Clip
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.training.data import PairSplit, TrainingData
from nicheclip.training.pair_reader import PairReader
from nicheclip.training.validation import validation_batches


@dataclass(frozen=True)
class ZeroShotSet:
    """Images of known classes, and the text of each class that they are compared with."""

    split: PairSplit
    config: ValidationConfig
    texts: tuple[str, ...]
    """Of every class of the data set, by its number (see ``Labels``)."""

    @classmethod
    def of(cls, config: ValidationConfig, data: TrainingData) -> "ZeroShotSet":
        """The validation images of the data set that ``config`` names.

        Args:
            config: of the validation.
            data: of the run.

        Raises:
            InputError: the set has no validation images, or a class has no such text.
        """
        source, name = data.validation or data, config.dataset or "the run's data set"
        split = source.pairs("val") if source.has("val") else None
        if split is None or len(split) < 2:  # a batch has two images or more
            raise InputError(
                f"training: validation: {name} has fewer than two validation images. Give it some "
                "(datasets.<name>.split.val), or name another data set (validation.dataset)."
            )
        texts = [text or "" for text in split.texts.class_texts(config.text_type)]
        absent = [
            c for c, text in zip(split.labels.classes, texts, strict=True) if not text.strip()
        ]
        if absent:
            raise InputError(
                f"training: validation.text_type: {len(absent)} of {len(texts)} classes of {name} "
                f"have no text of type {config.text_type!r}, the first {absent[0]!r}. Choose "
                "another type, or give the taxonomy."
            )
        return cls(split, config, tuple(texts))

    @torch.no_grad()
    def accuracy(self, epoch: Epoch, clip: Clip, training: TrainingConfig) -> float:
        """Share of the images whose nearest class text is that of their own class, by cosine, among
        all classes of the data set; of equally near ones the first counts.

        Images and texts go through the module as it runs, in batches of the training batch size:
        with shared weights (FSDP) nothing else may.

        Args:
            epoch: that has ended; the module is in evaluation mode.
            clip: within the module.
            training: whose batch size is used.
        """
        views = ViewSettings.of(clip)
        reader = PairReader(
            *(self.split.images, self.split.labels, self.split.texts, views, clip.tokenizer),
            *(TextConfig(types={self.config.text_type: 1.0}), None, 0),
        )
        texts = self._text_features(epoch, clip, training.batch_size, views)
        tars, right = self.split.images.tar_sizes, torch.zeros((), dtype=torch.float64)
        right = right.to(epoch.processes.device)
        for batch, _ in validation_batches(reader, tars, training, 0, epoch):
            first = {"images": batch["images"], "tokens": batch["tokens"][:1]}
            images = epoch.forward(first)["images"].float()
            right += ((images @ texts.T).argmax(dim=1) == batch["labels"]).sum()
        return float(epoch.processes.sum(right)) / len(self.split)

    def _text_features(self, epoch: Epoch, clip: Clip, size: int, views: ViewSettings) -> Tensor:
        """[classes, d], of length 1, from texts ``size`` at a time beside one black image."""
        black = torch.zeros(1, 3, *views.size, dtype=torch.uint8)
        found = []
        for start in range(0, len(self.texts), size):
            tokens = clip.tokenizer(list(self.texts[start : start + size]))
            batch = epoch.processes.to_device({"images": black, "tokens": tokens})
            found.append(epoch.forward(batch)["texts"].float())
        return torch.cat(found)
