"""Self-supervised backbones, and what aligns them to a CLIP."""

from collections.abc import Iterator
from typing import Protocol

from nicheclip.config.backbones import weights_file
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
        """What an alignment's backbone consists of, as far as it is on this disk."""
        entry = self._config.alignment[alignment]
        if entry.backbone:
            return given_file(entry.backbone.weights)
        return self.trained_files(str(entry.pretraining))

    def trained_files(self, pretraining: str) -> list[str]:
        """What the first seed of a self-supervised run makes: an image model."""
        folder = self.backbones(pretraining)[0]
        return [f"{folder}/{name}" for name in BACKBONE_FILES]

    def start_weights(self, pretraining: str) -> list[str]:
        """The file that a self-supervised run starts from, if there is one."""
        return given_file(self._config.pretraining[pretraining].weights)

    def named_files(self) -> Iterator[tuple[str, str]]:
        """(key of the config, path) of every file with weights of others."""
        for name in self._config.pretraining:
            for path in self.start_weights(name):
                yield f"pretraining.{name}.weights", path
        for name, entry in self._config.alignment.items():
            if entry.backbone:
                for path in self.backbone_files(name):
                    yield f"alignment.{name}.backbone.weights", path

    def fetched_weights(self, section: str, name: str) -> list[dict[str, str]]:
        """The weights that a job may need the network for, as ``models.at_hand`` is asked for
        them: none, or one.

        Args:
            section: of the config, `pretraining` or `alignment`.
            name: of the entry.
        """
        if section == "pretraining":
            run = self._config.pretraining[name]
            architecture, weights = run.backbone, run.weights
        elif given := self._config.alignment[name].backbone:
            architecture, weights = given.architecture, given.weights
        else:
            return []
        return fetched(f"{section}.{name}", architecture, weights)

    def result(self, alignment: str) -> Subject:
        """The result of an alignment; its seed is that of the backbone, or the config's."""
        config, entry = self._config, self._config.alignment[alignment]
        run = entry.pretraining
        seed = config.pretraining[run].seeds[0] if run else config.seed
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


def given_file(weights: str | None) -> list[str]:
    """The file with ``weights`` of others, if they are a file."""
    path = weights_file(weights)
    return [str(path)] if path else []


def fetched(key: str, architecture: str, weights: str | None) -> list[dict[str, str]]:
    """What ``models.at_hand`` is asked of ``weights`` that may need the network: none, or one.

    Args:
        key: of the config that names them.
        architecture: of timm.
        weights: a tag of timm, a URL, the path of a file, or None.
    """
    if weights is None or weights_file(weights):
        return []
    return [{"name": key, "backbone": architecture, "weights": weights}]
