"""A task as a method is given it: images without labels, and texts encoded by the start model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.data.image_set import ImageSet
from nicheclip.data.task_files import FIT, JUDGE, TEXTS, read_sentences
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import Clip

#: texts that go through a model at once
TEXT_BATCH = 256


@dataclass(frozen=True)
class TaskInputs:
    """The files of a task; none of them says which class an image belongs to."""

    folder: Path

    @property
    def fit(self) -> ImageSet:
        """The images that are fitted."""
        return ImageSet(self.folder / FIT)

    @property
    def judged(self) -> ImageSet:
        """The images that are judged."""
        return ImageSet(self.folder / JUDGE)

    @property
    def is_transductive(self) -> bool:
        """Whether the judged images are those that are fitted."""
        return self.fit.image_ids == self.judged.image_ids

    @property
    def files(self) -> list[Path]:
        """Their digests stand for the task."""
        return [self.fit.index_file, self.judged.index_file, self.folder / TEXTS]

    def texts(self, clip: Clip, device: str = "cpu") -> TaskTexts:
        """The texts of the classes, by ``clip``, on the CPU."""
        sentences = read_sentences(self.folder / TEXTS)
        details = sentences.details
        return TaskTexts(
            class_ids=sentences.class_ids,
            descriptions=encoded(clip, sentences.class_names, sentences.descriptions, device),
            templates=sentences.templates,
            details=encoded(clip, sentences.class_names, details, device) if details else None,
            sentences=sentences.descriptions,
        )


def encoded(
    clip: Clip, names: Sequence[str], texts: Sequence[Sequence[str]], device: str = "cpu"
) -> ClassTexts:
    """The features of each class's texts; a class may have none."""
    together = [text for one in texts for text in one]
    found = encode_texts(clip, together, EncodeSettings(TEXT_BATCH, device)).features
    return ClassTexts.of(names, torch.tensor(found).split([len(one) for one in texts]))
