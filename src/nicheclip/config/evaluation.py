"""Config of evaluations."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nicheclip.config.archive_readers import Rank
from nicheclip.config.base import ConfigModel, GridModel, without_defaults
from nicheclip.config.probes import ProbeConfig, SolvedProbe
from nicheclip.terms import TextType


class TemplateTexts(ConfigModel):
    """Class names set into an ensemble of templates."""

    kind: Literal["templates"]
    templates: str = "photo"
    """Name of a file in `workflow/registry/prompts/`."""
    name: TextType = "com"
    """The text type whose bare name goes into the templates."""


class CaptionTexts(ConfigModel):
    """The accepted captions of a caption set describe the classes."""

    kind: Literal["captions"]
    captions: str | dict[str, str]
    """By its name under `captions`; for several data sets, the name for each, or that of a grid."""
    split: Literal["train", "val", "test", "all"] = "train"
    """The captions of this split; `train` keeps the evaluated items' own captions out."""

    def of(self, dataset: str) -> str | None:
        """The caption set that describes ``dataset``; None where none is given."""
        return self.captions if isinstance(self.captions, str) else self.captions.get(dataset)


Protocol = Literal[
    "zero_shot",
    "retrieval",
    "few_shot",
    "text_types",
    "open_set",
    "calibration",
    "hierarchical",
    "linear_probe",
    "knn",
]

#: those that compare images with texts
TEXT_PROTOCOLS: tuple[Protocol, ...] = (
    "zero_shot",
    "retrieval",
    "text_types",
    "open_set",
    "calibration",
    "hierarchical",
)

#: those that need to know which classes are seen
GROUP_PROTOCOLS: tuple[Protocol, ...] = ("text_types", "open_set")

#: those that learn from the features of another split, and which one
LEARNS_FROM: dict[str, Literal["train", "val"]] = {
    "linear_probe": "train",
    "knn": "train",
    "calibration": "val",
}

_INTERVALS = ("bootstrap", "confidence", "interval")
_OF_CLASSES = ("classes", "seen_in", "within", *_INTERVALS)
_OF_TEXTS = ("class_texts", *_OF_CLASSES)

#: the keys of an evaluation that change what a protocol measures
PROTOCOL_OPTIONS: dict[str, tuple[str, ...]] = {
    "zero_shot": _OF_TEXTS,
    "retrieval": _INTERVALS,
    "few_shot": ("shots", "folds", *_OF_CLASSES),
    "text_types": ("text_types", "class_texts", "seen_in", "within", *_INTERVALS),
    "open_set": ("class_texts", "seen_in", "within", *_INTERVALS),
    "calibration": _OF_TEXTS,
    "hierarchical": _OF_TEXTS,
    "linear_probe": ("probe", *_OF_CLASSES),
    "knn": ("neighbours", *_OF_CLASSES),
    "colour_histogram": _OF_CLASSES,
}


IntervalKind = Literal["percentile", "bca"]


class EvaluationConfig(GridModel):
    """One task that models are judged by."""

    dataset: str | Annotated[list[str], Field(min_length=1)]
    """By its name under `datasets`; several are judged one by one."""
    split: Literal["train", "val", "test"] = "test"
    runs: list[str] | None = None
    """The training runs, or grids of runs, that are judged, each with its start model, whatever
    data they were trained on; null: those of the data set. A run that trains no text tower
    (recipe `classification`, ...) is not judged by the protocols that compare images with texts:
    where it is named, they are refused."""
    models: list[str] = Field(default=[])
    """Start models, by name under `models`, that are judged as they are, without any training."""
    aligned: list[str] = Field(default=[])
    """Entries of `alignment` that are judged, whatever data they were fitted to."""
    protocols: list[Protocol] = Field(default=["zero_shot"], min_length=1)
    """`open_set` is zero-shot classification where images of seen and of unseen classes choose
    among all classes, with the harmonic mean of both accuracies. `calibration` is zero-shot
    classification whose probabilities are compared with how often they are right, before and after
    a temperature that is fitted on the validation split, and whose unsure answers are left out
    step by step. `hierarchical` adds up the probabilities of the classes of each taxon, rank by
    rank, and measures how far mistakes are from the truth in the tree."""
    classes: Literal["all", "seen", "unseen"] = "all"
    """The classes that are chosen from and judged, by all protocols but `retrieval`, `text_types`
    and `open_set`; images of other classes are left out and counted."""
    seen_in: str | None = None
    """The data set, by its name under `datasets`, whose train split decides which classes are seen;
    needed by `classes` other than `all`, by `text_types` and by `open_set`. A class is seen when a
    class with a train image there is the same species: kingdom, genus and epithet. A synonym counts
    as another species."""
    within: dict[Rank, str] = Field(default={})
    """Only classes of these taxa, for example `{family: Rosaceae}`, as the ranks of the data set
    name them; with `classes`, those that are of both. The protocol `retrieval` judges all."""
    text_types: list[TextType] = Field(
        default=["sci", "com", "taxon", "sci_com", "taxon_com"], min_length=1
    )
    """Protocol `text_types` is zero-shot classification by each of these, among all, seen and
    unseen classes; each text type's bare name goes into the templates of `class_texts`."""
    class_texts: Annotated[TemplateTexts | CaptionTexts, Field(discriminator="kind")] = (
        TemplateTexts(kind="templates")
    )
    """The text side of `zero_shot`, `open_set`, `calibration` and `hierarchical`: embedded,
    normalised, averaged by class, normalised again."""
    shots: list[Annotated[int, Field(ge=1)]] = Field(default=[1, 5], min_length=1)
    """Support images per class of `few_shot`; the rest of the split is the query."""
    folds: Annotated[int, Field(ge=1)] = 5
    """Support sets drawn for each number of shots."""
    neighbours: Annotated[int, Field(ge=1)] = 20
    """Training images that vote in `knn`, each with exp(cosine / 0.07). It and `linear_probe`
    learn from the features of the train split."""
    probe: ProbeConfig = SolvedProbe()
    """How `linear_probe` learns: `{solver: lbfgs}` solves a logistic regression to its minimum,
    `{solver: adamw}` is CLIP_benchmark's ten epochs (`epochs`, `lr`, `weight_decay`,
    `batch_size`)."""
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamplings of the images, or of the classes, for the interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    interval: IntervalKind = "percentile"
    """Of accuracies and scores over images or classes: `percentile`, or `bca`, which corrects the
    bootstrap's bias and skewness (Efron 1987). The harmonic mean of `open_set` and differences of
    runs stay percentiles."""
    baseline: bool = True
    """Judge the colour histogram by the same task, learnt from the train split."""

    @property
    def datasets(self) -> list[str]:
        """The data sets that are judged."""
        return [self.dataset] if isinstance(self.dataset, str) else self.dataset

    def on(self, dataset: str) -> "EvaluationConfig":
        """The same task on ``dataset`` alone, one of ``datasets``."""
        texts = self.class_texts
        if isinstance(texts, CaptionTexts):
            texts = texts.model_copy(update={"captions": texts.of(dataset)})
        return self.model_copy(update={"dataset": dataset, "class_texts": texts})

    @field_validator("dataset")
    @classmethod
    def _datasets_differ(cls, dataset: str | list[str]) -> str | list[str]:
        if isinstance(dataset, list) and len(set(dataset)) < len(dataset):
            raise ValueError(f"data sets repeat: {dataset}")
        return dataset

    def options(self, protocol: str) -> dict[str, Any]:
        """What ``protocol`` uses of this evaluation, as plain data.

        ``seen_in`` is there just where it decides something.
        """
        options = self.model_dump(mode="json", include=set(PROTOCOL_OPTIONS[protocol]))
        if protocol not in GROUP_PROTOCOLS and self.classes == "all":
            options.pop("seen_in", None)
        if not self.within:
            options.pop("within", None)
        return without_defaults(options, self, "interval", "probe")

    @property
    def chooses(self) -> bool:
        """Whether some classes of the data set are left out."""
        return self.classes != "all" or bool(self.within)

    @model_validator(mode="after")
    def _is_not_learnt_from(self) -> "EvaluationConfig":
        for protocol in self.protocols:
            if LEARNS_FROM.get(protocol) == self.split:
                raise ValueError(
                    f"protocols: {protocol} learns from the {self.split} split, so it cannot be "
                    "judged on it; set split: test"
                )
        return self

    @field_validator("protocols")
    @classmethod
    def _protocols_differ(cls, protocols: list[Protocol]) -> list[Protocol]:
        if len(set(protocols)) != len(protocols):
            raise ValueError(f"protocols repeat: {protocols}")
        return protocols

    @field_validator("text_types")
    @classmethod
    def _text_types_are_names(cls, text_types: list[TextType]) -> list[TextType]:
        if "caption" in text_types:
            raise ValueError(
                "a caption is not a name that fits into templates; leave it out, and set "
                "class_texts to kind captions for zero-shot classification by captions"
            )
        if len(set(text_types)) != len(text_types):
            raise ValueError(f"text types repeat: {text_types}")
        return text_types

    @model_validator(mode="after")
    def _seen_and_unseen_can_be_told(self) -> "EvaluationConfig":
        if self.seen_in is None:
            reason = f"classes: {self.classes}" if self.classes != "all" else ""
            for protocol in GROUP_PROTOCOLS:
                if protocol in self.protocols:
                    reason = f"the protocol {protocol}"
            if reason:
                raise ValueError(
                    f"{reason} needs seen_in: the data set whose train split decides which classes "
                    "are seen"
                )
        if "text_types" in self.protocols and isinstance(self.class_texts, CaptionTexts):
            raise ValueError(
                "the protocol text_types puts names into templates; set class_texts to kind "
                "templates, or leave the protocol out"
            )
        if self.split == "train" and self.baseline:
            raise ValueError(
                "split: train would judge the colour histogram on the images that it learns from; "
                "set baseline: false"
            )
        if self.classes == "unseen" and self.baseline:
            raise ValueError(
                "classes: unseen leaves the colour histogram no images to learn from; set "
                "baseline: false"
            )
        return self
