"""Self-supervised backbones, and what aligns them to a CLIP."""

from typing import Protocol

from nicheclip.config.workflow import Config
from nicheclip.subjects import BACKBONE_FILES, Subject


class Clips(Protocol):
    """Knows the models whose space a backbone may be aligned to."""

    def start(self, model: str, seed: int) -> Subject:
        """A start model of the config."""

    def starts(self, run: str) -> list[Subject]:
        """What a training run starts from."""

    def trained(self, run: str) -> list[Subject]:
        """The results of a training run, seed by seed."""


class Alignments:
    """The backbones and alignments of a config."""

    def __init__(self, config: Config, clips: Clips) -> None:
        self._config, self._clips = config, clips

    def backbones(self, pretraining: str) -> list[str]:
        """The folders with the results of a self-supervised run, seed by seed."""
        seeds = self._config.pretraining[pretraining].seeds
        return [f"results/models/backbones/{pretraining}/seed{seed}" for seed in seeds]

    def backbone_files(self, alignment: str) -> list[str]:
        """What an alignment's backbone consists of."""
        folder = self.backbones(self._config.alignment[alignment].pretraining)[0]
        return [f"{folder}/{name}" for name in BACKBONE_FILES]

    def result(self, alignment: str) -> Subject:
        """The result of an alignment; its seed is that of the backbone."""
        seed = self._config.pretraining[self._config.alignment[alignment].pretraining].seeds[0]
        return Subject(kind="aligned", name=alignment, variant=f"seed{seed}")

    def target(self, alignment: str) -> Subject:
        """The CLIP that an alignment takes image features from."""
        entry = self._config.alignment[alignment]
        if entry.run:
            return self._clips.trained(entry.run)[0]
        return self._clips.start(str(entry.model), self._config.seed)

    def text(self, alignment: str) -> Subject:
        """The CLIP whose text tower an alignment keeps."""
        entry = self._config.alignment[alignment]
        original = entry.run and entry.text == "original"
        return self._clips.starts(str(entry.run))[0] if original else self.target(alignment)
