"""Config of training runs."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel, GridModel, Seed, in_order, without_defaults
from nicheclip.config.compute import Precision, TrainingComputeConfig
from nicheclip.config.optimization import OptimizerConfig, ScheduleConfig
from nicheclip.config.recipes import Recipe
from nicheclip.terms import ClassTextType, TextType


class TextConfig(ConfigModel):
    """Which text an image is paired with."""

    types: dict[TextType, Annotated[float, Field(gt=0)]] = Field(
        default={"caption": 1.0}, min_length=1
    )
    """Text types and their weights."""
    draw: Literal["sample", "batch"] = "sample"
    """A type per sample (BioCLIP's paper), or one per batch (BioCLIP's code)."""


class ReplayConfig(ConfigModel):
    """A second data set whose train split is mixed in, as BioCLIP 2 does with general pairs."""

    dataset: str
    """By its name under `datasets`."""
    share: Annotated[float, Field(gt=0, lt=1)]
    """Of all samples of an epoch; its images are drawn anew in each. BioCLIP 2: 0.1."""
    texts: TextConfig = TextConfig()


class ValidationConfig(ConfigModel):
    """Zero-shot accuracy after every epoch, on images that no evaluation may judge."""

    dataset: str | None = None
    """By its name under `datasets`; its validation images are judged among all of its classes.
    Null: those of the run's own data set."""
    text_type: ClassTextType = "com"
    """The text that stands for each class."""


class UnfreezingConfig(ConfigModel):
    """Progressive unfreezing: blocks of a tower thaw from the last to the first."""

    epochs_per_block: Annotated[int, Field(ge=1)] = 5
    """One more block of each tower trains after every so many epochs."""
    first_blocks: Annotated[int, Field(ge=0)] = 0
    """Blocks of each tower that train from the start; the temperature always does."""
    projections: bool = False
    """The final norm and projection of each tower train from the start."""
    embeddings: bool = False
    """When all blocks train, patch, position and token embeddings thaw as a last step."""
    resnet: Literal["stages", "frozen"] = "stages"
    """A ResNet tower has no transformer block: thaw its attention pool and stages in turn, or
    leave it frozen as the paper's wording has it."""


class AugmentConfig(ConfigModel):
    """Random changes of training images."""

    crop_scale: tuple[float, float] = (0.9, 1.0)
    """Area of the random resized crop, as a share of the image (open_clip's default)."""
    flip: bool = False
    """Mirror left and right with probability one half."""
    rotate: bool = False
    """Turn by a random multiple of 90 degrees, for images without an upright."""

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "AugmentConfig":
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale: expected 0 < low <= high <= 1, not {[low, high]}")
        return self


class TrainingConfig(GridModel):
    """One training run, repeated for every seed."""

    dataset: str
    """By its name under `datasets`."""
    model: str
    """By its name under `models`."""
    start_from: str | None = None
    """Start from the first seed of this training run, by name, which has the same `model`; null:
    from `model` itself."""
    recipe: Recipe
    texts: TextConfig = TextConfig()
    """A recipe without texts reads none."""
    replay: ReplayConfig | None = None
    """Only for recipes with texts. Null mixes nothing in."""
    validation: ValidationConfig | None = None
    """Only for recipes with texts. Null measures on the data set's own validation images alone: the
    loss, and the accuracy of the nearest class mean of their own texts."""
    epochs: Annotated[int, Field(ge=1)]
    min_steps: Annotated[int, Field(ge=0)] = 0
    """Small data sets train for more epochs than `epochs`, until the run has so many steps."""
    batch_size: Annotated[int, Field(ge=2)]
    """Over all devices."""
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    unfreezing: UnfreezingConfig | None = None
    """Null trains everything from the start."""
    augment: AugmentConfig = AugmentConfig()
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""
    accumulation: Annotated[int, Field(ge=1)] = 1
    """Pieces in which each device takes its part of a batch through the model: memory for one of
    them, one more forward pass. The loss and its gradient are those of the whole batch."""
    keep: Literal["last", "best"] = "last"
    """The weights of the last epoch, or of the epoch with the highest accuracy on the validation
    images, by `validation` where it is given; of equal ones the first."""
    keep_epochs: Annotated[int, Field(ge=0)] = 0
    """Beside that model, the weights of each of the last so many epochs, as model folders
    `epochs/<n>` (n from 1); 0 keeps none. Until the run ends its checkpoints hold them, and each
    of its processes does in memory."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of a moving average of the weights, for example 0.9999; what is validated and saved is
    then the average. Null: there is none."""
    channels_last: bool = False
    """Images and kernels with the channels last in memory: faster for ResNets on GPUs in mixed
    precision. The last digits differ."""
    compile: bool = False
    """Let `torch.compile` write kernels for the model: faster steps on GPUs after minutes at the
    start. It needs a C++ compiler. The last digits differ."""
    precision: Precision = "32-true"
    seeds: list[Seed] = Field(default=[0], min_length=1)
    compute: TrainingComputeConfig = TrainingComputeConfig()

    @model_validator(mode="after")
    def _what_sharding_excludes(self) -> "TrainingConfig":
        if self.compute.sharding:
            if self.precision == "16-mixed":
                raise ValueError("compute.sharding: not with precision 16-mixed; use bf16-mixed")
            if self.unfreezing:
                raise ValueError("compute.sharding: not with unfreezing; leave one of them out")
            if self.compile:
                raise ValueError("compute.sharding: not with compile; leave one of them out")
        return self

    @model_validator(mode="after")
    def _scaled_gradients_are_not_accumulated(self) -> "TrainingConfig":
        if self.accumulation > 1 and self.precision == "16-mixed":
            raise ValueError("accumulation: not with precision 16-mixed; use bf16-mixed")
        return self

    @model_validator(mode="after")
    def _texts_are_replayed(self) -> "TrainingConfig":
        if self.replay and not self.recipe.trains_texts:
            raise ValueError(f"replay: the recipe {self.recipe.kind} reads no texts; leave it out")
        if self.replay and self.replay.dataset == self.dataset:
            raise ValueError(f"replay.dataset: {self.dataset!r} trains already; name another")
        return self

    @model_validator(mode="after")
    def _texts_are_validated(self) -> "TrainingConfig":
        if self.validation and not self.recipe.trains_texts:
            raise ValueError(
                f"validation: the recipe {self.recipe.kind} trains no texts, so there is no "
                "zero-shot; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _seeds_differ(self) -> "TrainingConfig":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds repeat: {self.seeds}")
        return self

    @property
    def reads_captions(self) -> bool:
        """Whether images are paired with captions of their own."""
        return self.recipe.trains_texts and "caption" in self.texts.types

    def determines(self) -> dict[str, Any]:
        """What of this config can change the result of one seed, as plain values."""
        found = self.model_dump(mode="json", exclude={"seeds", "compute"})
        found = without_defaults(found, self, "start_from", "compile", "keep_epochs", "validation")
        return dict(in_order(found))
