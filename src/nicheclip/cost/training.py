"""What the section `training` of a config will cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.data import DatasetConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.cost.rows import CostRow
from nicheclip.cost.towers import Towers, towers_of
from nicheclip.data.image_set import INDEX_FILE, ImageSet
from nicheclip.engine.sampling import Sampling
from nicheclip.plan.plan import Plan

UNKNOWN_IMAGES = "images are counted when the data set is acquired"
UNKNOWN_MODEL = "operations are known for vision transformers of open_clip or of ours"


@dataclass(frozen=True)
class CostOfTraining:
    """Works out the rows of a config.

    A step goes forward once and back at the cost of two forward passes; gradient checkpointing and
    accumulation each go forward once more. All is taken to train from the start: a run that thaws
    by and by costs less. Heads of classifiers and the loss are left out.
    """

    plan: Plan
    results: Path = Path("results")
    """Where data sets may have been acquired."""

    def rows(self) -> Iterator[CostRow]:
        """One for each training run, all its seeds together."""
        for name, run in self.plan.config.training.items():
            yield self._row(name, run)

    def images(self, dataset: str) -> int | None:
        """That train: as they were acquired, or as the registry expects them; None: unknown."""
        folder = self.results / "acquire" / dataset / "train"
        if (folder / INDEX_FILE).is_file():
            return len(ImageSet(folder))
        expected = self.plan.expected_images(dataset)
        return _share_that_trains(self.plan.config.datasets[dataset], expected)

    def _row(self, name: str, run: TrainingConfig) -> CostRow:
        images = self.images(run.dataset)
        architecture = self.plan.config.models[run.model].architecture
        towers = towers_of(architecture, self.plan.registry / "models")
        epochs, steps = epochs_and_steps(run, images)
        forward = float(1 + run.gradient_checkpointing + (run.accumulation > 1))
        notes = [f"{steps:,} steps of {run.batch_size:,}"] if steps else [UNKNOWN_IMAGES]
        notes += [UNKNOWN_MODEL] * (towers is None)
        operations = None
        if towers and steps and images:
            each = sample_operations(towers, forward, texts=run.recipe.trains_texts)
            operations = len(run.seeds) * epochs * images * each
        return CostRow(
            entry=f"training.{name}",
            what=run.recipe.kind,
            data=f"{run.dataset} ({run.model})",
            images=images,
            epochs=epochs,
            seeds=len(run.seeds),
            forward=forward,
            backward=1.0,
            operations=operations,
            note="; ".join(notes),
        )


def epochs_and_steps(
    run: TrainingConfig | PretrainingConfig, images: int | None
) -> tuple[int, int]:
    """Of a run, with as many epochs as `min_steps` asks for; no step where nobody knows."""
    if images is None or images < 2:
        return run.epochs, 0
    batches = Sampling((images,), run.batch_size, 0).batches
    epochs = max(run.epochs, -(-run.min_steps // batches))
    return epochs, epochs * batches


def sample_operations(towers: Towers, forward: float, *, texts: bool) -> float:
    """Floating-point operations of one sample in one step; a backward pass costs two forward."""
    return (forward + 2) * (towers.image + (towers.text if texts else 0))


def _share_that_trains(dataset: DatasetConfig, expected: dict[str, int]) -> int | None:
    if "train" in expected:
        return expected["train"]
    if "all" not in expected or dataset.split.method == "given":
        return None
    return round(expected["all"] * (1 - dataset.split.val - dataset.split.test))
