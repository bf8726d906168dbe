"""Where a run reads images, labels and texts."""

from dataclasses import dataclass
from pathlib import Path

from nicheclip.data.image_set import ImageSet, has_images
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts, captions_file


@dataclass(frozen=True)
class PairSplit:
    """Images of a split with their labels and texts; what stands beside an image has its number."""

    images: ImageSet
    labels: Labels
    texts: SampleTexts

    def __len__(self) -> int:
        return len(self.images)

    @property
    def files(self) -> list[Path]:
        """Their digests stand for the split."""
        return [self.images.index_file, self.labels.file, *self.texts.files]


@dataclass(frozen=True)
class LabelledSplit:
    """Images of a split with their classes."""

    images: ImageSet
    labels: Labels

    @property
    def files(self) -> list[Path]:
        """Their digests stand for the split."""
        return [self.images.index_file, self.labels.file]


@dataclass(frozen=True)
class TrainingData:
    """A data set's files; an objective opens those that it needs."""

    images: Path
    """Of the data set: a folder for each split, with images and labels."""
    class_texts: Path
    """Schema ``CLASS_TEXTS``."""
    captions: Path | None
    """Folder with the captions of each split; None: no image has one."""
    lineages: Path | None = None
    """Folder with the taxa of the classes; None: they are not asked for."""
    replay: "TrainingData | None" = None
    """The data set that is mixed in."""
    validation: "TrainingData | None" = None
    """The data set that is judged after every epoch; None: this one."""

    def labelled(self, split: str) -> LabelledSplit:
        """The images of ``split`` with their classes.

        Raises:
            InputError: a file is absent or damaged.
        """
        folder = self.images / split
        return LabelledSplit(ImageSet(folder), Labels(folder))

    def pairs(self, split: str) -> PairSplit:
        """The images of ``split`` with their texts.

        Raises:
            InputError: a file is absent or damaged.
        """
        folder = self.images / split
        labels = Labels(folder)
        captions = captions_file(self.captions, split) if self.captions else None
        return PairSplit(ImageSet(folder), labels, SampleTexts(labels, self.class_texts, captions))

    def has(self, split: str) -> bool:
        """Whether there is such a split."""
        return has_images(self.images / split)
