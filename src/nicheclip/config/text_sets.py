"""Which texts a subject is encoded with: what the protocols of its cells ask for."""

from typing import Annotated, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel
from nicheclip.config.evaluation import EvaluationConfig, TemplateTexts
from nicheclip.terms import TextType


class TemplateSet(ConfigModel):
    """Each class's bare name of a text type, set into the templates of a file."""

    kind: Literal["templates"] = "templates"
    templates: str
    """Name of a file in `workflow/registry/prompts/`."""
    text_type: TextType

    @property
    def name(self) -> str:
        """In paths."""
        return f"templates.{self.templates}.{self.text_type}"


class CaptionSet(ConfigModel):
    """Each class's captions that serve a split."""

    kind: Literal["captions"] = "captions"
    captions: str
    """By its name under `captions`."""
    split: Literal["train", "val", "test", "all"]

    @property
    def name(self) -> str:
        """In paths."""
        return f"captions.{self.captions}.{self.split}"


class GallerySet(ConfigModel):
    """The captions of the split's own images, for retrieval."""

    kind: Literal["gallery"] = "gallery"

    @property
    def name(self) -> str:
        """In paths."""
        return "gallery"


TextSet = Annotated[TemplateSet | CaptionSet | GallerySet, Field(discriminator="kind")]


def class_text_set(evaluation: EvaluationConfig) -> TemplateSet | CaptionSet:
    """The text set of ``class_texts``, of an evaluation on one data set (``on``)."""
    wanted = evaluation.class_texts
    if isinstance(wanted, TemplateTexts):
        return TemplateSet(templates=wanted.templates, text_type=wanted.name)
    return CaptionSet.model_validate({"captions": wanted.captions, "split": wanted.split})


def text_type_sets(evaluation: EvaluationConfig) -> list[TemplateSet]:
    """A text set for each of ``text_types``.

    Raises:
        ValueError: ``class_texts`` are not templates.
    """
    wanted = evaluation.class_texts
    if not isinstance(wanted, TemplateTexts):
        raise ValueError("the protocol text_types needs class_texts of kind templates")
    return [TemplateSet(templates=wanted.templates, text_type=t) for t in evaluation.text_types]


def text_sets(protocol: str, evaluation: EvaluationConfig) -> list[TextSet]:
    """The text sets that ``protocol`` needs; a protocol of images alone needs none."""
    if protocol in ("zero_shot", "open_set", "calibration", "hierarchical"):
        return [class_text_set(evaluation)]
    if protocol == "text_types":
        return [*text_type_sets(evaluation)]
    if protocol == "retrieval":
        return [GallerySet()]
    return []
