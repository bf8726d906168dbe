"""Config of adaptation without labels: tasks, and the methods that are tried on them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nicheclip.config.adaptation import Method, TrainedMethod
from nicheclip.config.base import ConfigModel, GridModel, Name, Seed, in_order, without_defaults
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.evaluation import EvaluationConfig, IntervalKind, TemplateTexts
from nicheclip.runtime.paths import expand_path
from nicheclip.terms import TextType

Choice = Literal["all", "seen", "unseen"]
Split = Literal["train", "val", "test"]


class ClassSample(ConfigModel):
    """Some classes, drawn at random."""

    sample: Annotated[int, Field(ge=2)]
    """How many."""
    seed: Seed = 0
    of: Choice = "all"


class CaptionSource(ConfigModel):
    """The accepted captions of each class."""

    captions: str
    """By its name under `captions`."""
    split: Literal["train", "val", "test", "all"] = "train"
    """The captions that serve this split."""


class DescriptionFile(ConfigModel):
    """A JSON file with a list of texts for each class."""

    file: str
    """`{"grey heron": ["a tall grey bird", ...], ...}`; environment variables and `~` are
    expanded."""
    keys: dict[str, str] = Field(default={})
    """What the file calls a class, by class id, where the names differ by more than upper case,
    punctuation and white space."""


class PublishedDescriptions(ConfigModel):
    """Descriptions that others have published for the data set; they are downloaded."""

    published: str
    """Name of a file in `workflow/registry/descriptions/`."""
    clean: bool = True
    """Leave out refusals and texts that a class has twice. False takes all texts, as published
    numbers come from."""


ClassTextSource = CaptionSource | DescriptionFile | PublishedDescriptions | list[TextType]
"""Captions, a file, what others have published, or each class's texts of these types."""


class TaskTextsConfig(ConfigModel):
    """What a method knows of the classes."""

    name: TextType = "com"
    """The text type whose bare name is the class's; it goes into the templates."""
    templates: str = "photo"
    """Name of a file in `workflow/registry/prompts/`."""
    descriptions: ClassTextSource | None = None
    """Of CuPL, WCA, FAIR and others; null: the names in the templates."""
    details: ClassTextSource | None = None
    """Attributes and analogies, for CODER."""


class FewClasses(ConfigModel):
    """Batches with images of a few of the classes."""

    kind: Literal["few_classes"]
    count: Annotated[int, Field(ge=1)] = 20
    """How many batches; an image may be in several."""
    images: Annotated[int, Field(ge=2)] = 64
    """Of each batch, at most."""
    classes: tuple[Annotated[int, Field(ge=1)], int] = (1, 25)
    """The least and largest number of classes present; any number between them is as likely."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _classes_are_a_range(self) -> "FewClasses":
        if self.classes[0] > self.classes[1]:
            raise ValueError(f"classes: expected [least, largest], not {list(self.classes)}")
        return self


class Stream(ConfigModel):
    """All images once, in batches; those of a class come together."""

    kind: Literal["stream"]
    images: Annotated[int, Field(ge=2)] = 64
    """Of each batch, at least."""
    concentration: Annotated[float, Field(gt=0)] = 0.1
    """Of the Dirichlet distribution of a class over the stream: the smaller, the closer together
    its images come."""
    seed: Seed = 0


BatchesConfig = FewClasses | Stream


class TaskConfig(GridModel):
    """Images without labels that a model is adapted to, and images that it is then judged on."""

    dataset: str
    """By its name under `datasets`."""
    classes: Choice | ClassSample = "all"
    """The classes to tell apart. Images of others are left out of both splits: which images are of
    the task is known beforehand, which class each belongs to is not."""
    seen_in: str | None = None
    """The data set whose train split decides which classes are seen; see `evaluation`."""
    fit: Split = "train"
    """The split whose images are fitted."""
    judge: Split = "test"
    """The split that is judged; the same as `fit` makes the task transductive."""
    batches: Annotated[BatchesConfig, Field(discriminator="kind")] | None = None
    """How the images come: null, all at once; or batches, each of which a method fits and judges
    alone, among all classes. `fit` and `judge` are then the same split."""
    texts: TaskTextsConfig = TaskTextsConfig()
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamplings of the images for the interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    interval: IntervalKind = "percentile"
    """See `evaluation`."""

    def plain(self) -> dict[str, Any]:
        """As plain values, for a job's params."""
        found = self.model_dump(mode="json")
        return dict(in_order(without_defaults(found, self, "interval")))

    @property
    def choice(self) -> Choice:
        """The group of classes that are judged, or drawn from."""
        return self.classes.of if isinstance(self.classes, ClassSample) else self.classes

    def evaluation(self) -> EvaluationConfig:
        """The same as the evaluation of one protocol, for tables and measures."""
        return EvaluationConfig(
            dataset=self.dataset,
            split=self.judge,
            runs=[],
            classes=self.choice,
            seen_in=self.seen_in,
            class_texts=TemplateTexts(
                kind="templates", templates=self.texts.templates, name=self.texts.name
            ),
            bootstrap=self.bootstrap,
            confidence=self.confidence,
            interval=self.interval,
            baseline=False,
        )

    def caption_sets(self) -> list[str]:
        """The caption sets that its texts come from."""
        sources = (self.texts.descriptions, self.texts.details)
        return [one.captions for one in sources if isinstance(one, CaptionSource)]

    def description_files(self) -> list[str]:
        """The files that its texts come from."""
        sources = (self.texts.descriptions, self.texts.details)
        found = [one.file for one in sources if isinstance(one, DescriptionFile)]
        return [str(expand_path(file)) for file in found]

    def published_descriptions(self) -> list[str]:
        """The entries of the registry that its texts come from."""
        sources = (self.texts.descriptions, self.texts.details)
        names = [one.published for one in sources if isinstance(one, PublishedDescriptions)]
        return list(dict.fromkeys(names))

    @model_validator(mode="after")
    def _batches_are_judged_themselves(self) -> "TaskConfig":
        if self.batches and self.fit != self.judge:
            raise ValueError(
                f"batches: each is fitted and judged, but fit is {self.fit} and judge is "
                f"{self.judge}; expected the same split for both"
            )
        return self

    @model_validator(mode="after")
    def _seen_and_unseen_can_be_told(self) -> "TaskConfig":
        if self.choice != "all" and self.seen_in is None:
            raise ValueError(
                f"classes: {self.choice} needs seen_in: the data set whose train split decides "
                "which classes are seen"
            )
        return self


class AdaptationConfig(GridModel):
    """A method that adapts a model to tasks without labels."""

    method: Method
    published: bool = False
    """Each task has the method's hyperparameters as published for its data set
    (`workflow/registry/methods/`), where there are some; keys of `method` count more."""
    tasks: list[str] = Field(min_length=1)
    """By name under `tasks`, or grids of tasks. A method that trains does them in one job, one
    after another, unless `side_by_side`."""
    side_by_side: bool = False
    """A method that trains has a job for each task."""
    run: str | None = None
    """The training run whose first seed it starts from."""
    model: str | None = None
    """Or the start model, by name under `models`."""
    seeds: list[Seed] = Field(default=[0], min_length=1)
    """Of order, views and new weights; the start is the same for all."""
    best_epoch: bool = False
    """Of a method that trains: tables show, beside the last epoch, which is the result, the best
    one on the judged images, in a column that says so. It is selected on test, as some published
    numbers are: compare it with those alone. Each epoch's state answers when the fit is over."""
    job: Name | None = None
    """Entries with the same word here train one after another in one job, from the same start: for
    trainings of seconds, which a job's start would outweigh."""
    compute: ComputeConfig = ComputeConfig()
    """Of a method that trains. A change here is no reason to adapt again."""

    @property
    def trains(self) -> bool:
        """Whether the method trains; the others share a job."""
        return isinstance(self.method, TrainedMethod)

    @model_validator(mode="after")
    def _lists_are_sets_and_there_is_one_start(self) -> "AdaptationConfig":
        if (self.run is None) == (self.model is None):
            raise ValueError(
                "expected one of run (a training run to start from) and model (a start model)"
            )
        if (self.job or self.side_by_side) and not self.trains:
            raise ValueError(
                "job, side_by_side: methods without training share one job; leave them out"
            )
        if self.best_epoch and not self.trains:
            raise ValueError("best_epoch: a method without training has no epochs; leave it out")
        if self.job and self.side_by_side:
            raise ValueError("job and side_by_side exclude each other; leave one out")
        for name, values in (("tasks", self.tasks), ("seeds", self.seeds)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} repeat: {values}")
        return self
