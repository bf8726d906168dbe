"""What a job of the stage `adapt` is told: entries of the config, files, and how it computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nicheclip.config.adaptation import Method
from nicheclip.config.backbones import weights_file
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.training_free import given_vision, pretrained_vision
from nicheclip.subjects import BACKBONE_FILES


class Entry(BaseModel):
    """One entry of the config's `adaptation`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    method: Method
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    best_epoch: bool = False
    """Whether each epoch answers for the judged images."""


@dataclass(frozen=True)
class Where:
    """Files of a job, and how it computes."""

    start: Path
    """Model folder."""
    tasks: Mapping[str, Path]
    """The folder of each task."""
    models: Path
    """Receives ``<entry>/<task>/seed<n>/`` for each result."""
    run_folder: Path
    """For checkpoints."""
    log: Path
    compute: ComputeConfig
    code: str
    """Digest of the code that can change a result."""
    stop_at: float | None = None
    """Seconds since 1970."""
    backbones: Mapping[str, Path] = field(default_factory=dict)
    """The folders of image models that methods join with the start model, by name."""

    @property
    def device(self) -> str:
        """On which images are encoded."""
        return "cuda" if self.compute.gpus else "cpu"

    def vision_files(self, method: Method) -> list[Path]:
        """The files of the image models that ``method`` joins with the start model."""
        folders = [self.backbones[name] for name in pretrained_vision(method)]
        files = [folder / name for folder in folders for name in BACKBONE_FILES]
        own = [weights_file(one.weights) for one in given_vision(method)]
        return files + [file for file in own if file]
