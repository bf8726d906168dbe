"""Options of the methods that adapt a CLIP without labels.

Each method's defaults are its published hyperparameters. Where a paper and its code disagree, or
the paper's text has lost a number, the docstring of the key says what the default is.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel, in_order
from nicheclip.config.compute import Precision
from nicheclip.config.optimization import Decay, OptimizerConfig, ScheduleConfig, SgdConfig
from nicheclip.config.training_free import Count, NotNegative, Positive, TrainingFree

Share = Annotated[float, Field(ge=0, le=1)]
RankBy = Literal["logit", "probability"]

#: FAIR's protocol, under which its tables compare all methods
COMMON_EPOCHS, COMMON_BATCH = 15, 32


def _check_range(name: str, values: tuple[float, float]) -> None:
    low, high = values
    if not 0 < low <= high <= 1:
        raise ValueError(f"{name}: expected 0 < low <= high <= 1, not {[low, high]}")


class StrongView(ConfigModel):
    """The strongly changed view that a model learns from."""

    kind: Literal["rand_augment", "moco", "crop"] = "rand_augment"
    """After a random resized crop and a flip: RandAugment (FAIR, DPA, MUST), the colour changes of
    MoCo v2 (LaFTer), or nothing more (UPL, POUF)."""
    crop_scale: tuple[float, float] = (0.3, 1.0)
    """Area of the random resized crop, as a share of the image."""

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "StrongView":
        _check_range("crop_scale", self.crop_scale)
        return self


class TrainedMethod(ConfigModel):
    """What all methods that train have; the defaults are FAIR's protocol."""

    epochs: Count = COMMON_EPOCHS
    batch_size: Annotated[int, Field(ge=2)] = COMMON_BATCH
    """Over all devices."""
    optimizer: OptimizerConfig | SgdConfig = OptimizerConfig(
        lr=1e-4, weight_decay=0.1, betas=(0.9, 0.999), eps=1e-8
    )
    """Learning rates belong to the published batch size. FAIR's text has lost its rates: 1e-4 is
    that of its authors' next method on all sets."""
    schedule: ScheduleConfig = ScheduleConfig()
    decay: Decay = "all_but_biases"
    """What the optimizer's weight decay holds for: norms count as the published code counts them.
    FAIR's is not known; this is DPA's, by the same authors."""
    logit_scale: Positive | None = None
    """Between cosine and logit; null: the start model's own (100 in OpenAI's models)."""
    strong: StrongView = StrongView()
    precision: Precision = "32-true"
    accumulation: Count = 1
    """Pieces in which a batch goes through the model."""

    def determines(self) -> dict[str, Any]:
        """What can change the result of one seed, as plain values."""
        return dict(in_order(self.model_dump(mode="json")))


class FairMethod(TrainedMethod):
    """FAIR: crops near the whole image vote, by learned class anchors, for the label of a strongly
    changed view. The defaults are FAIR; its ablations are other values of the same keys.
    """

    kind: Literal["fair"]
    crops: Count = 8
    """N, square random crops of each image. The text has lost its value; 8 is that of its authors'
    next method."""
    top_crops: Count | None = 4
    """k, how many of them count; null: all. The text has lost its value."""
    crop_side: tuple[float, float] = (0.5, 0.9)
    """Range of a crop's side, as a share of the image's shorter side (WCA's)."""
    weak_scale: tuple[float, float] = (0.5, 1.0)
    """Area of the random resized crop of FAIR-g; its range is not published."""
    labels: Literal["crops", "image", "coder"] = "crops"
    """What votes for the label: crops; the whole image by its randomly resized crop (FAIR-g); or
    CODER on the whole image, which needs the texts that CODER needs."""
    relevance: Literal["cls", "feature"] = "cls"
    """How near a crop is to the whole image: cosine of their [CLS] tokens before the projection, or
    softmax over the crops of the cosine of their features (WCA)."""
    classes: Literal["learned", "initial", "descriptions"] = "learned"
    """What labels are compared with: the anchors as they learn (the learned alignment score), the
    anchors that training began with (one reading of "without LAS"), or all descriptions with WCA's
    weights."""
    weight: Literal["none", "margin", "ratio", "relative_ratio"] = "margin"
    """Of an image's loss, smaller where its first two classes are near to each other. The text has
    lost the formula; ``adaptation.trained.label_weights`` has the candidates."""
    weight_by_anchors: bool = True
    """Whether the anchors of the two classes count as well as their scores."""
    fairness: Literal["moving_average", "batch", "none"] = "moving_average"
    """Of predictions, whose mean over images is drawn to equal classes."""
    fairness_weight: NotNegative = 1.0
    train: Literal["layer_norm", "lora", "k_adaptation", "k_adaptation_as_published"] = "layer_norm"
    """What trains beside the anchors: the visual tower's norms, or changes of its attention.
    K-Adaptation as published cannot learn its factors: only a bias trains."""

    @model_validator(mode="after")
    def _crops_are_enough(self) -> "FairMethod":
        _check_range("crop_side", self.crop_side)
        _check_range("weak_scale", self.weak_scale)
        if self.top_crops is not None and self.top_crops > self.crops:
            raise ValueError(
                f"top_crops: {self.top_crops} of {self.crops} crops; expected at most as many as "
                "`crops`, or null for all"
            )
        return self


class UplMethod(TrainedMethod):
    """UPL: a context shared by all classes learns from each class's most confident images."""

    kind: Literal["upl"]
    epochs: Count = 50
    optimizer: OptimizerConfig | SgdConfig = SgdConfig(kind="sgd", lr=2e-3, weight_decay=5e-4)
    schedule: ScheduleConfig = ScheduleConfig(warmup_steps=1 / 50, warmup_lr=1e-5)
    """The first of fifty epochs is at a small rate."""
    strong: StrongView = StrongView(kind="crop", crop_scale=(0.08, 1.0))
    context_tokens: Count = 16
    images_per_class: Count = 16
    rank_by: RankBy = "logit"
    """What the most confident images have: the largest logit (code) or probability (paper)."""


class PoufMethod(TrainedMethod):
    """POUF: images and class prompts are drawn together by their transport cost."""

    kind: Literal["pouf"]
    epochs: Count = 10
    """Published: of 500 steps each; here an epoch is all images once."""
    batch_size: Annotated[int, Field(ge=2)] = 96
    optimizer: OptimizerConfig | SgdConfig = SgdConfig(
        kind="sgd", lr=1e-3, nesterov=True, weight_decay=1e-3
    )
    schedule: ScheduleConfig = ScheduleConfig(kind="power", power=0.75, power_speed=2e-4)
    strong: StrongView = StrongView(kind="crop", crop_scale=(0.08, 1.0))
    context: str = "a photo of a"
    """What the learned context starts from."""
    information_weight: NotNegative = 0.3
    """Of the mutual information between images and predictions."""
    learn_logit_scale: bool = False
    """As the published code does; FAIR's count of 2,048 parameters is of the context alone."""


class LafterMethod(TrainedMethod):
    """LaFTer: a classifier learned from texts labels images for prompts, norms and itself."""

    kind: Literal["lafter"]
    epochs: Count = 50
    batch_size: Annotated[int, Field(ge=2)] = 50
    optimizer: OptimizerConfig | SgdConfig = OptimizerConfig(
        lr=5e-4, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8
    )
    schedule: ScheduleConfig = ScheduleConfig(kind="constant")
    strong: StrongView = StrongView(kind="moco", crop_scale=(0.2, 1.0))
    prompt_tokens: Count = 50
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    text_steps: Count = 400
    """Of the classifier on texts, each on all of them; published by data set: 400 to 600."""
    text_lr: Positive = 5e-4
    text_noise: NotNegative = 0.1
    """Standard deviation of what is added to text features."""


class ReclipMethod(TrainedMethod):
    """ReCLIP: labels spread between neighbours; two copies train where they agree."""

    kind: Literal["reclip"]
    epochs: Count = 50
    """FAIR's; its code trains min(100, n / 5000 + 2) epochs on n images."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    optimizer: OptimizerConfig | SgdConfig = SgdConfig(kind="sgd", lr=1e-3, weight_decay=1e-4)
    decay: Decay = "all"
    neighbours: Count = 20
    propagation: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """How far labels spread."""
    solver_steps: Count = 20
    """Of conjugate gradients."""
    solver_tolerance: Positive = 1e-6
    dimensions: Annotated[int, Field(ge=2)] = 768
    """Singular vectors of the texts, at most, counted with the first."""
    left_out: Annotated[int, Field(ge=0, le=1)] = 1
    """How many of the first are left out: the first is what all texts share (published). 0 where
    they share little, as in a model that was trained on one domain: `shared_by_texts` in the
    result's `train.json` says how much, 1 is all."""
    visual_loss: Literal["agreeing", "code"] = "agreeing"
    """Divided by the images that agree, or by the size of the batch as well (code)."""
    anchors: Literal["both", "visual"] = "both"
    """The learned texts and the centroids of the images, or these alone."""
    texts: Literal["templates", "descriptions"] = "templates"
    """What a class's texts are: its name in templates (published), or its descriptions, as in one
    of FAIR's rows."""


class DpaMethod(TrainedMethod):
    """DPA: prototypes of texts and of images label together."""

    kind: Literal["dpa"]
    batch_size: Annotated[int, Field(ge=2)] = 64
    schedule: ScheduleConfig = ScheduleConfig(end_lr=2e-6)
    image_share: Share = 0.5
    """Of the image prototypes in the label; published by data set: 0.01 to 0.5."""
    alignment_factor: NotNegative = 100.0
    """Of the image prototypes' logits when they are aligned; published: 1 or 100."""
    fairness_weight: NotNegative = 1.0
    alignment_weight: NotNegative = 1.0
    batches_remembered: Count = 32
    """Over which the distribution of labels is averaged."""
    prototypes: Literal["templates", "descriptions"] = "templates"
    """What the text prototypes begin as; descriptions in one of FAIR's rows."""
    weak: Literal["random_crop", "centre"] = "random_crop"
    """The view that gives the label: a random square of the shorter side (code), or the centre."""
    weigh: Literal["before_alignment", "after_alignment"] = "before_alignment"
    """Which probabilities by texts weigh a label; the code passes those before alignment."""
    unit_prototypes: bool = True
    """Divide image prototypes by their lengths where they are used."""


class MustMethod(TrainedMethod):
    """MUST: a moving average of the model labels images, some of whose patches are masked.

    Published by data set; the defaults are those of ImageNet with ViT-B/16.
    """

    kind: Literal["must"]
    epochs: Count = 30
    batch_size: Annotated[int, Field(ge=2)] = 64
    optimizer: OptimizerConfig | SgdConfig = OptimizerConfig(
        lr=5e-6, weight_decay=0.05, betas=(0.9, 0.999), eps=1e-8
    )
    """Of the last layer; published: 2e-5 times batch size / 256."""
    decay: Decay = "matrices"
    threshold: Share = 0.7
    """Of the teacher's confidence, above which an image counts."""
    teacher_decay: Share = 0.999
    teacher_decay_end: Share = 0.9998
    teacher_steps: Count = 2000
    """From the first to the second."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.65
    """Factor of the learning rate from a block to the one below it."""
    fairness_weight: NotNegative = 1.0
    pixel_weight: NotNegative = 1.0
    """Of the masked pixels' reconstruction."""
    alignment_weight: NotNegative = 0.2
    """Of [CLS] and masked tokens."""
    masked_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    mask_side: Count = 1
    """Side of a masked square in patches: 32 pixels are one patch of ViT-B/32, two of ViT-B/16."""


Trained = FairMethod | UplMethod | PoufMethod | LafterMethod | ReclipMethod | DpaMethod | MustMethod
Method = Annotated[Trained | TrainingFree, Field(discriminator="kind")]
"""Any method that adapts without labels."""
