"""What can be judged: a model, or a baseline that stands beside models."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Kind = Literal["start", "trained", "aligned", "adapted", "baseline"]

KINDS: tuple[Kind, ...] = get_args(Kind)

#: the kinds of models that are encoded and judged split by split
MODEL_KINDS: tuple[Kind, ...] = ("start", "trained", "aligned")

#: the variant of a subject whose weights do not come from a seed
PRETRAINED = "pretrained"

#: what a table calls a subject of each kind
STATES: dict[Kind, str] = {
    "start": "before training",
    "trained": "trained",
    "aligned": "self-supervised, aligned",
    "adapted": "adapted without labels",
    "baseline": "baseline",
}


class Subject(BaseModel):
    """One thing that can be judged; its name in paths is ``kind/name/variant``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    name: str
    """Of the model, the training run, the alignment or the baseline, as the config has it; of an
    adapted model ``<adaptation>/<task>``."""
    variant: str
    """``seed<n>``, ``pretrained`` (weights that somebody else trained), or ``default`` of a
    baseline."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}/{self.variant}"

    @property
    def folder(self) -> str:
        """Its model folder, in open_clip's layout."""
        return f"results/models/{self}"

    def files(self) -> list[str]:
        """The files that its model consists of."""
        return [f"{self.folder}/{name}" for name in MODEL_FILES]

    @property
    def seed(self) -> int | None:
        """Of its weights; None where they come from no seed of ours."""
        seed = self.variant.removeprefix("seed")
        return int(seed) if seed.isdigit() else None


def aligned_manifest(alignment: str, variant: str) -> str:
    """The manifest of an aligned model, with the figures of its linear map."""
    return f"{Subject(kind='aligned', name=alignment, variant=variant).folder}/manifest.json"


#: a model folder in open_clip's layout
CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE)

#: a folder with an image model that knows no text; see ``models.backbones``
BACKBONE_CONFIG = "backbone.json"
BACKBONE_WEIGHTS = "backbone.safetensors"
BACKBONE_FILES = (BACKBONE_CONFIG, BACKBONE_WEIGHTS)
#: where weights of others' image models are kept that come from a URL
BACKBONE_DOWNLOADS = "results/downloads/backbones"

#: a model folder that holds only what differs from another, its base; see ``models.deltas``
DELTA_FILE = "changed.safetensors"
SUBJECT_FILE = "subject.json"
DELTA_FILES = (CONFIG_FILE, DELTA_FILE, SUBJECT_FILE)

#: beside a whole one: the model whose image features it adds to its own; see ``models.fusion``
FUSION_FILE = "fusion.json"

#: beside either: the classes of an adapted model as anchors among the image features
CLASSIFIER_FILE = "classifier.safetensors"

#: the baseline that sees no shapes
COLOUR_HISTOGRAM = Subject(kind="baseline", name="colour_histogram", variant="default")
