"""The jobs that adapt without labels: one for each method that trains, one for all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nicheclip.config.base import in_order
from nicheclip.config.tasks import AdaptationConfig
from nicheclip.config.training import ComputeConfig
from nicheclip.config.workflow import Config
from nicheclip.subjects import Subject

#: the name of the job of all methods without training begins so; no entry of the config does
TRAINING_FREE = "_training-free-"

#: of the library
TRAINED, FEATURES = "nicheclip.adaptation.trained", "nicheclip.adaptation.feature_methods"


@dataclass(frozen=True)
class AdaptationJob:
    """Entries of `adaptation` that one job works through, all with the same start."""

    name: str
    start: Subject
    entries: Mapping[str, AdaptationConfig]

    @property
    def manifest(self) -> str:
        """What it made; scores and models lie in the folders of its subjects."""
        return f"results/models/adapted/{self.name}/manifest.json"

    @property
    def tasks(self) -> list[str]:
        """All that its entries are tried on."""
        return list(dict.fromkeys(task for one in self.entries.values() for task in one.tasks))

    @property
    def modules(self) -> list[str]:
        """The modules of the library that it finds by the names of its methods."""
        kinds = [one.method.kind for one in self.entries.values() if one.trains]
        return [f"{TRAINED}.{kind}" for kind in kinds] or [FEATURES]

    @property
    def methods(self) -> list[dict[str, Any]]:
        """What its params say of each entry."""
        return [
            {
                "name": name,
                "method": in_order(one.method.model_dump(mode="json")),
                "tasks": one.tasks,
                "seeds": one.seeds,
            }
            for name, one in self.entries.items()
        ]

    @property
    def compute(self) -> ComputeConfig:
        """With what: its entries share it, for they are one or train nothing."""
        return next(iter(self.entries.values())).compute


def adaptation_jobs(config: Config, starts: Mapping[str, Subject]) -> dict[str, AdaptationJob]:
    """All of them, by name; ``starts`` is what each entry starts from."""
    entries: dict[str, dict[str, AdaptationConfig]] = {}
    for name, one in config.adaptation.items():
        job = name if one.trains else f"{TRAINING_FREE}{one.run or one.model}"
        entries.setdefault(job, {})[name] = one
    return {job: AdaptationJob(job, starts[next(iter(of))], of) for job, of in entries.items()}
