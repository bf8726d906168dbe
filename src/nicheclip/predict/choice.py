"""Which classes a model chooses from, and how it is told them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.data import ImageConfig
from nicheclip.models.classifier import Classifier, read_classifier
from nicheclip.predict.class_list import (
    ClassList,
    classes_of_classifier,
    classes_of_origin,
    named_classes,
    read_class_list,
)
from nicheclip.predict.open_model import OpenedModel
from nicheclip.predict.origin import Origin, find_origin
from nicheclip.predict.settings import Settings
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Choice:
    """Classes, and what answers for them."""

    classes: ClassList
    classifier: Classifier | None
    """Anchors of an adapted model; None: the texts of the classes."""


def choose(
    model: OpenedModel, classes: Path | str | Sequence[str] | None, settings: Settings
) -> Choice:
    """The classes to choose from.

    Args:
        model: opened.
        classes: a file (see ``read_class_list``) or names; None: those of an adapted model, or of
            the data set that the model was trained on.
        settings: for texts and templates.

    Raises:
        InputError: there are none.
    """
    origin = find_origin(model.folder)
    if classes is None and model.classifier is not None:
        classifier = read_classifier(model.classifier)
        return Choice(classes_of_classifier(classifier, origin), classifier)
    text_type = settings.text_type or (origin.text_type if origin else "com")
    templates = settings.template_file
    if classes is None:
        if origin is None or not (origin.texts.is_file() and origin.classes.is_file()):
            raise InputError(
                f"{model.name}: nothing says which classes its images may show. Give them: "
                "--classes FILE with a name on each line, or --taxonomy FILE, a table with ranks."
            )
        return Choice(classes_of_origin(origin, text_type=text_type, templates=templates), None)
    if isinstance(classes, str | Path):
        found = read_class_list(Path(classes), text_type=text_type, templates=templates)
    else:
        found = named_classes(classes, templates)
    return Choice(found, None)


def image_config(model: OpenedModel, settings: Settings) -> ImageConfig:
    """How images are prepared: as those of the model's data set were stored, and decoded in full,
    since they are looked at.
    """
    origin: Origin | None = find_origin(model.folder)
    found = (origin.image if origin else ImageConfig()).model_copy(update={"check": "full"})
    if settings.max_side is None:
        return found
    return found.model_copy(update={"max_side": settings.max_side, "resize": None})
