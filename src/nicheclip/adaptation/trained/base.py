"""What the methods that train share: no label, views, a visual tower, a result that is a subject.

A method is one file of this folder with ``OBJECTIVE``, a subclass of ``AdaptationObjective`` for
its options in ``config/adaptation.py``. It says which views it wants, what trains, what it
minimises, and what the class anchors are in the end. Where it makes labels, it tells
``label_record`` of them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.label_record import LabelRecord
from nicheclip.adaptation.trained.views import ViewReader, Wanted
from nicheclip.config.adaptation import TrainedMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.objective import Objective
from nicheclip.models.classifier import Classifier, write_classifier
from nicheclip.models.deltas import model_files, save_delta
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import Clip, load
from nicheclip.models.pseudo_labels import (
    NO_LABEL,
    PSEUDO_LABELS_FILE,
    PseudoLabels,
    write_pseudo_labels,
)
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash
from nicheclip.subjects import CLASSIFIER_FILE

#: texts that go through the model at once
TEXT_BATCH = 256

Options = TypeVar("Options", bound=TrainedMethod)


class AdaptationObjective(Objective, Generic[Options]):
    """A method that adapts a CLIP to images of which no label is known.

    What it sees of the target is an ``ImageSet``, which reads no file of labels, and the texts of
    the classes. A subclass sets ``module``; what of the CLIP trains is part of it.

    Raises:
        InputError: the start model cannot be read, has other dimensions than the texts or no
            [CLS] token; fewer than two classes, or fewer images than classes.
    """

    def __init__(
        self, options: Options, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        self.options, self.texts, self.images, self.seed = options, texts, images, seed
        self._start = start
        check_task(images, texts)
        self.clip: Clip = load(start)
        check_widths(self.clip, texts)
        self.logit_scale = options.logit_scale or self.clip.logit_scale
        self.label_record = LabelRecord(options.epochs, len(images))
        self.held = {"label_record": self.label_record}

    @abstractmethod
    def wanted(self) -> Wanted:
        """The views of each image in a batch."""

    @abstractmethod
    def anchors(self) -> Tensor:
        """[C, d]: the class anchors as they are now; of any length."""

    @property
    def reader(self) -> ViewReader:
        """Of the images, in the views that are wanted."""
        return ViewReader(self.images, ViewSettings.of(self.clip), self.wanted(), self.seed)

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Of the images."""
        return self.images.tar_sizes

    def inputs(self) -> Mapping[str, str]:
        """The start model, where every image lies, and the texts."""
        model = [sha256_file(file) for file in model_files(self._start)]
        return {
            "start model": f"{stable_hash(*model):016x}",
            "images": sha256_file(self.images.index_file)[:16],
            "texts": self.texts.digest(),
        }

    def facts(self) -> Mapping[str, Any]:
        """Numbers of images and classes."""
        return {"images": len(self.images), "classes": self.texts.classes}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images."""
        return [self.images.image_id(place) for place in places]

    def description_anchors(self) -> Tensor:
        """[C, d], float32, rows of length 1: the mean description of each class."""
        return zero_shot.class_anchors(self.texts.descriptions).float().clone()

    def prompts(self) -> ClassTexts:
        """Each class's name in each template, through the start model."""
        prompts = self.texts.prompts()
        sentences = [sentence for one in prompts for sentence in one]
        found = encode_texts(self.clip, sentences, EncodeSettings(TEXT_BATCH)).features
        counts = [len(one) for one in prompts]
        return ClassTexts.of(self.texts.class_names, torch.tensor(found).split(counts))

    def save(self, folder: Path) -> None:
        """Write what of the model has changed, the classifier, and the labels of every epoch."""
        folder.mkdir(parents=True, exist_ok=True)
        anchors = normalize(self.anchors().detach().float().cpu(), dim=1)
        classifier = Classifier(
            anchors.numpy(), self.texts.class_ids, self.logit_scale, self.texts.class_names
        )
        with self.as_open_clip() as clip:
            save_delta(clip, self._start, folder)
        write_classifier(folder / CLASSIFIER_FILE, classifier)
        labels = self.label_record.labels.cpu().numpy()
        if (labels != NO_LABEL).any():
            found = PseudoLabels(self.images.image_ids, list(self.texts.class_ids), labels)
            write_pseudo_labels(folder / PSEUDO_LABELS_FILE, found)

    def as_open_clip(self) -> AbstractContextManager[Clip]:
        """The model in open_clip's form while it is saved: the start model, parts of which have
        trained, unless a method has put something else in their places.
        """
        return nullcontext(self.clip)


def check_task(images: ImageSet, texts: TaskTexts) -> None:
    """Raise InputError if there is nothing to tell apart, or too little to see."""
    if texts.classes < 2:
        raise InputError(
            f"adaptation: one class ({texts.class_names[0]!r}); expected at least two. With one "
            "class every label is known."
        )
    if len(images) < texts.classes:
        raise InputError(
            f"{images.folder}: {len(images)} images for {texts.classes} classes; expected at "
            "least as many images as classes. Add images, leave out classes, or use a method "
            "without training (`clip`, `cupl`)."
        )


def check_widths(clip: Clip, texts: TaskTexts) -> None:
    """Raise InputError if the descriptions were encoded by a model of other dimensions."""
    width = int(clip.model_config["embed_dim"])
    found = texts.descriptions.features.shape[1]
    if found != width:
        raise InputError(
            f"class texts: features of {found} dimensions, the start model has {width}. Encode the "
            "texts with the start model."
        )
