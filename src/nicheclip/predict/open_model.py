"""Any model by what a person calls it: a folder, an architecture with a tag, a hub repository."""

from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.models import ModelConfig
from nicheclip.models.deltas import model_files
from nicheclip.models.openclip import HUB, Clip, create, load, open_clip
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.subjects import BACKBONE_CONFIG, CLASSIFIER_FILE, CONFIG_FILE

#: what a model can be called
NAMES = (
    "Give a model folder (results/models/trained/RUN/seed0), an architecture of open_clip with a "
    "tag of its weights (ViT-B-32:openai), or hf-hub:OWNER/NAME."
)


@dataclass(frozen=True)
class OpenedModel:
    """A model that is ready to encode."""

    name: str
    """As the person called it."""
    clip: Clip
    folder: Path | None
    """Of a model on this disk."""

    @property
    def classifier(self) -> Path | None:
        """The classes that an adapted model brings, as a file."""
        file = self.folder / CLASSIFIER_FILE if self.folder else None
        return file if file and file.is_file() else None


def open_model(name: str, registry: Path) -> OpenedModel:
    """The model that is called ``name``, on the CPU, in evaluation mode.

    Args:
        name: a folder, ``ARCHITECTURE:TAG`` or ``hf-hub:OWNER/NAME``.
        registry: the folder of registry entries, for architectures of the house.

    Raises:
        InputError: nothing is called so, or what is there is no model.
    """
    if name.startswith(HUB):
        config = ModelConfig(architecture=name, pretrained="hub")
        return OpenedModel(name, _created(config, registry), None)
    folder = expand_path(name)
    if folder.is_dir():
        _check_folder(folder)
        return OpenedModel(name, load(folder), folder)
    if folder.is_file():
        raise InputError(f"{name}: is a file; expected a folder. {NAMES}")
    return OpenedModel(name, _of_tag(name, registry), None)


def _of_tag(name: str, registry: Path) -> Clip:
    architecture, colon, tag = name.partition(":")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags and (colon or "/" not in name) and architecture in open_clip.list_models():
        raise InputError(f"{name}: open_clip has no weights of {architecture}. {NAMES}")
    if not tags:
        raise InputError(f"{name}: there is no such folder, nor such an architecture. {NAMES}")
    if tag not in tags:
        raise InputError(
            f"{name}: expected {architecture}:TAG with one of open_clip's tags: {', '.join(tags)}."
        )
    return _created(ModelConfig(architecture=architecture, pretrained=tag), registry)


def _created(config: ModelConfig, registry: Path) -> Clip:
    clip = create(config, seed=0, registry=registry / "models")
    clip.model.eval()
    return clip


def _check_folder(folder: Path) -> None:
    """Raise InputError, with what to give instead, if ``folder`` is no model folder."""
    if (folder / CONFIG_FILE).is_file():
        absent = [file.name for file in model_files(folder) if not file.is_file()]
        if not absent:
            return
        raise InputError(
            f"{folder}: half a model, without {', '.join(absent)}. Copy it again, or make it again."
        )
    below = sorted(file.parent for file in folder.glob(f"*/{CONFIG_FILE}"))
    below += sorted(file.parent for file in folder.glob(f"*/*/{CONFIG_FILE}"))
    if below:
        names = ", ".join(map(str, below[:5])) + (", ..." if len(below) > 5 else "")
        raise InputError(f"{folder}: holds {len(below)} models; give one of them: {names}.")
    if (folder / BACKBONE_CONFIG).is_file() or any(folder.glob(f"*/{BACKBONE_CONFIG}")):
        raise InputError(
            f"{folder}: an image model that knows no text. Align it to a CLIP (section alignment "
            "of the config), and give that folder."
        )
    if (folder / "scores.safetensors").is_file():
        raise InputError(
            f"{folder}: this method makes no model, only the answers for the images of its task "
            "(scores.safetensors). Give the folder of a method that trains, or of clip or cupl."
        )
    found = sorted(one.name for one in folder.iterdir())
    kind = "of transformers" if "config.json" in found else ""
    raise InputError(
        f"{folder}: no {CONFIG_FILE}, so it is no model folder in open_clip's layout; it holds "
        f"{', '.join(found[:5]) or 'nothing'}{f' and looks like a model {kind}' if kind else ''}. "
        f"{NAMES}"
    )
