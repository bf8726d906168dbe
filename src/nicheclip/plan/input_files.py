"""What the rooms acquire, taxonomy and captions read and write, as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nicheclip.config.workflow import Config
from nicheclip.runtime.paths import expand_path
from nicheclip.taxonomy.provider_files import provider_files
from nicheclip.terms import SPLITS


class InputFiles:
    """The files of a config's data sets, checklists and captions."""

    def __init__(self, config: Config, registry: Path) -> None:
        """Look at the config; no data set is read.

        Args:
            config: the whole config.
            registry: ``workflow/registry``.
        """
        self.config = config
        self.registry = registry

    def source_files(self, dataset: str) -> list[str]:
        """Files whose change makes a data set stale."""
        source = self.config.datasets[dataset].source
        return [str(path) for path in source.inputs(self.registry / "datasets")]

    def source_modules(self, dataset: str) -> list[str]:
        """The modules of the library that read the data set's kind of source."""
        return self.config.datasets[dataset].source.modules(self.registry / "datasets")

    def parts(self, dataset: str) -> list[str]:
        """The names of the parts that a data set is acquired in."""
        return [f"{part:05d}" for part in range(self.config.datasets[dataset].parts)]

    def tars(self, dataset: str) -> list[str]:
        """The names of the tars that hold a data set's images."""
        return [f"{tar:05d}" for tar in range(self.config.datasets[dataset].shards)]

    def expected_images(self, dataset: str) -> dict[str, int]:
        """How many images of each split a data set should have, where the registry knows."""
        return self.config.datasets[dataset].source.expected_images(self.registry / "datasets")

    def judged_files(self, dataset: str, kind: str) -> list[str]:
        """The acquire output ``kind`` of the data sets that a data set must stay apart from."""
        leakage = self.config.datasets[dataset].leakage
        return [f"results/acquire/{one}/{kind}" for one in (leakage.apart_from if leakage else ())]

    def compared_names(self, dataset: str) -> list[str]:
        """The checklists' names where a data set's species are compared with others'."""
        leakage = self.config.datasets[dataset].leakage
        return self.checklists("names") if leakage and leakage.asks_species else []

    def leakage(self, dataset: str) -> dict[str, Any] | None:
        """What is compared, as plain values: of the config, and the providers of names."""
        leakage = self.config.datasets[dataset].leakage
        if leakage is None:
            return None
        providers = self.config.taxonomy.providers if leakage.asks_species else ()
        return {
            "config": leakage.model_dump(mode="json"),
            "providers": [provider.name for provider in providers],
        }

    def split_files(self, dataset: str, splits: Sequence[str] = SPLITS) -> list[str]:
        """What tells where the images of some splits lie, and their classes."""
        return [
            f"results/acquire/{dataset}/{split}/{name}.arrow"
            for split in splits
            for name in ("images", "labels")
        ]

    def checklist_files(self) -> list[str]:
        """What the providers of checklists are read from, common names included."""
        return [
            str(path)
            for provider in self.config.taxonomy.providers
            for path in provider_files(provider)
        ]

    def checklists(self, kind: str) -> list[str]:
        """The table ``kind`` of all checklists: one file, or none without checklists."""
        return [f"results/checklists/{kind}.parquet"] if self.config.taxonomy.providers else []

    def caption_source(self, captions: str) -> str:
        """The prompt, grammar or captions file that a caption set is made from."""
        backend = self.config.captions[captions].backend
        return str(backend.source(self.registry / "prompts"))

    def caption_sources(self, captions: str) -> list[str]:
        """The same, and the values of a prompt's variables."""
        backend = self.config.captions[captions].backend
        values = getattr(backend, "class_variables", None)
        return [self.caption_source(captions), *([str(expand_path(values))] if values else [])]

    def replies(self, captions: str) -> list[str]:
        """What a server says, by part; none where a caption set needs no server."""
        config = self.config.captions[captions]
        parts = range(config.parts if config.backend.remote else 0)
        return [f"results/captions/{captions}/replies/{part:05d}.parquet" for part in parts]

    def caption_memory(self, captions: str) -> int:
        """MB of the job: an LLM of its own needs more."""
        return 16_000 if self.config.captions[captions].backend.starts_server else 4_000

    def own_captions(self, dataset: str, splits: Sequence[str] = SPLITS) -> list[str]:
        """The captions of the images of some splits, if the data set has any."""
        captions = self.config.datasets[dataset].captions
        return [f"results/texts/{dataset}/{split}.arrow" for split in splits] if captions else []

    def training_captions(self, run: str) -> list[str]:
        """The captions that a run trains with: none where its texts are others."""
        training = self.config.training[run]
        splits = ("train", "val") if training.reads_captions else ()
        return self.own_captions(training.dataset, splits)
