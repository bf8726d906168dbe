"""Config of self-supervised training: image models that learn without labels and without texts."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nicheclip.config.backbones import Weights
from nicheclip.config.base import ConfigModel, GridModel, Seed, in_order, without_defaults
from nicheclip.config.compute import ComputeConfig, Precision
from nicheclip.config.optimization import OptimizerConfig, ScheduleConfig

Share = Annotated[float, Field(gt=0, le=1)]
Momentum = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]


class CropConfig(ConfigModel):
    """The views of an image: two global crops, and smaller local ones for the student alone."""

    global_scale: tuple[Share, Share] = (0.4, 1.0)
    """Area of a global crop, as a share of the image."""
    local_crops: Annotated[int, Field(ge=0)] = 8
    local_scale: tuple[Share, Share] = (0.05, 0.4)
    """Area of a local crop, as a share of the image."""
    local_size: Annotated[int, Field(ge=8)] = 96
    """Edge of a local crop in pixels."""
    colour: bool = True
    """Change brightness, contrast, saturation and hue, and take the colour away from every fifth
    view. Where colour tells classes apart (lesions, deficiencies), try false."""

    @model_validator(mode="after")
    def _scales_are_ranges(self) -> "CropConfig":
        for key, (low, high) in (
            ("global_scale", self.global_scale),
            ("local_scale", self.local_scale),
        ):
            if low > high:
                raise ValueError(f"{key}: expected low <= high, not {[low, high]}")
        return self


class CollapseConfig(ConfigModel):
    """When a run counts as collapsed: it gives all images the same answer."""

    information: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    """Least information of the teacher's outputs about the image: the entropy of their mean less
    their mean entropy, as a share of the largest entropy."""
    rank: Annotated[float, Field(ge=0)] = 1.5
    """Least effective rank of the teacher's features."""
    patience: Annotated[int, Field(ge=1)] = 5
    """Epochs in a row, with one of them below, after which the run stops."""


class DinoRecipe(ConfigModel):
    """DINO: a student that sees crops follows a teacher, its own moving average, that sees global
    crops. Defaults are those of AgriCLIP's repository: DINO's own for one GPU."""

    kind: Literal["dino"]
    crops: CropConfig = CropConfig()
    outputs: Annotated[int, Field(ge=2)] = 65_536
    """Dimensions of the head's output."""
    hidden: Annotated[int, Field(ge=1)] = 2048
    """Width of the head."""
    bottleneck: Annotated[int, Field(ge=1)] = 256
    """Dimensions of the head before its last layer."""
    momentum: Momentum = 0.996
    """Of the teacher at the start; it rises to 1 along a half cosine."""
    student_temperature: Temperature = 0.1
    teacher_temperature: Temperature = 0.04
    first_teacher_temperature: Temperature = 0.04
    """In the first epoch; it changes linearly over `temperature_epochs`."""
    temperature_epochs: Annotated[int, Field(ge=0)] = 0
    centre_momentum: Momentum = 0.9
    """Of the centre, the moving mean of the teacher's outputs; 1 leaves it at 0."""
    last_weight_decay: Annotated[float, Field(ge=0)] = 0.4
    """Where the weight decay goes from `optimizer.weight_decay` along a half cosine."""
    frozen_epochs: Annotated[int, Field(ge=0)] = 1
    """Epochs in which the head's last layer does not train."""
    neighbours: Annotated[int, Field(ge=1)] = 20
    """Of the nearest-neighbour accuracy that follows each epoch."""
    reference_images: Annotated[int, Field(ge=2)] = 2000
    """Training images, at most, that figures are measured on after each epoch."""
    collapse: CollapseConfig | None = CollapseConfig()
    """Null never stops a run."""


class PretrainingConfig(GridModel):
    """One self-supervised training of an image model, repeated for every seed."""

    dataset: str
    """By its name under `datasets`; training uses no label, the accuracy after each epoch does."""
    backbone: str
    """A model of timm (`resnet50`, `vit_base_patch16_224`, ...)."""
    weights: Weights | None = None
    """What it starts from: one of timm's tags (`a1_in1k`, ...), a URL, or the path of a file, as
    `alignment.backbone.weights` has it. Null: random from the seed, as DINO's paper and AgriCLIP's
    repository start."""
    size: Annotated[int, Field(ge=16)] = 224
    """Edge of the image in pixels."""
    recipe: DinoRecipe
    epochs: Annotated[int, Field(ge=1)] = 100
    min_steps: Annotated[int, Field(ge=0)] = 0
    """Small data sets train for more epochs than `epochs`, until the run has so many steps."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Over all devices."""
    optimizer: OptimizerConfig = OptimizerConfig(
        lr=1.25e-4, weight_decay=0.04, betas=(0.9, 0.999), eps=1e-8, gradient_clip=3.0
    )
    schedule: ScheduleConfig = ScheduleConfig(kind="cosine", warmup_steps=0.1, end_lr=1e-6)
    channels_last: bool = False
    """Images and kernels with the channels last in memory: faster for ResNets on GPUs in mixed
    precision. The last digits differ."""
    precision: Precision = "32-true"
    seeds: list[Seed] = Field(default=[0], min_length=1)
    compute: ComputeConfig = ComputeConfig()

    @model_validator(mode="after")
    def _seeds_differ(self) -> "PretrainingConfig":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds repeat: {self.seeds}")
        return self

    def determines(self) -> dict[str, Any]:
        """What of this config can change the result of one seed, as plain values."""
        found = self.model_dump(mode="json", exclude={"seeds", "compute"})
        return dict(in_order(without_defaults(found, self, "weights", "channels_last")))
