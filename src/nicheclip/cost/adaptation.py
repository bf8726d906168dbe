"""What the section `adaptation` of a config will cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.adaptation import Method
from nicheclip.config.data import SplitConfig
from nicheclip.config.tasks import ClassSample
from nicheclip.config.training_free import given_vision, pretrained_vision
from nicheclip.cost.passes import Passes, TaskSize, epochs, passes
from nicheclip.cost.rows import CostRow
from nicheclip.cost.towers import Towers, towers_of
from nicheclip.data.image_set import INDEX_FILE, ImageSet
from nicheclip.data.registry import load_entry
from nicheclip.data.task_files import FIT, JUDGE, TEXTS, read_sentences
from nicheclip.plan.plan import Plan

UNKNOWN_IMAGES = "images are counted when the task is drawn"
UNKNOWN_MODEL = "operations are known for vision transformers of open_clip or of ours"


@dataclass(frozen=True)
class CostOfAdaptation:
    """Works out the rows of a config."""

    plan: Plan
    results: Path = Path("results")
    """Where drawn tasks may be."""

    def rows(self) -> Iterator[CostRow]:
        """One for each entry and task."""
        for name, entry in self.plan.config.adaptation.items():
            for task in entry.tasks:
                yield self._row(name, task)

    def size(self, task: str) -> TaskSize | None:
        """Of a task: as it was drawn, or as the registry expects it; None where nobody knows."""
        folder = self.results / "tasks" / task
        if (folder / FIT / INDEX_FILE).is_file() and (folder / TEXTS).is_file():
            fit, judged = len(ImageSet(folder / FIT)), len(ImageSet(folder / JUDGE))
            classes = len(read_sentences(folder / TEXTS).class_ids)
            return TaskSize(fit, judged, classes, transductive=self._transductive(task))
        return self._expected(task)

    def _expected(self, name: str) -> TaskSize | None:
        task = self.plan.config.tasks[name]
        dataset = self.plan.config.datasets[task.dataset]
        if dataset.source.kind != "registry" or task.choice != "all":
            return None
        entry = load_entry(self.plan.registry / "datasets", dataset.source.name)
        if entry.classes is None:
            return None
        images = {str(one): n for one, n in entry.images.items()}
        counts = _split(images, entry.classes, dataset.split)
        if task.fit not in counts or task.judge not in counts:
            return None
        share = 1.0
        classes = entry.classes
        if isinstance(task.classes, ClassSample):
            classes = task.classes.sample
            share = classes / entry.classes
        return TaskSize(
            fit=round(share * counts[task.fit]),
            judged=round(share * counts[task.judge]),
            classes=classes,
            transductive=self._transductive(name),
        )

    def _transductive(self, name: str) -> bool:
        task = self.plan.config.tasks[name]
        return task.fit == task.judge

    def _row(self, name: str, task: str) -> CostRow:
        entry, size = self.plan.config.adaptation[name], self.size(task)
        method = self.plan.adaptations.method(name, task)
        start = self.plan.adaptations.start(name)
        model = entry.model or self.plan.config.training[str(entry.run)].model
        towers = towers_of(
            self.plan.config.models[model].architecture, self.plan.registry / "models"
        )
        needed = passes(method, size or TaskSize(1, 1, 2))
        seeds = len(entry.seeds)
        notes = [UNKNOWN_IMAGES] * (size is None) + [UNKNOWN_MODEL] * (towers is None)
        return CostRow(
            entry=f"adaptation.{name}",
            what=method.kind,
            data=f"{task} ({start.name})",
            images=size.fit if size else None,
            epochs=epochs(method),
            seeds=seeds,
            forward=needed.forward,
            backward=needed.backward,
            operations=seeds
            * (operations(needed, size, towers, epochs(method)) + self._vision(method, size))
            if size and towers
            else None,
            note="; ".join(notes),
        )

    def _vision(self, method: Method, size: TaskSize) -> float:
        """Operations of the image models that a method joins with the CLIP: each image once."""
        runs = [self.plan.config.pretraining[name] for name in pretrained_vision(method)]
        models = [(run.backbone, run.size) for run in runs]
        models += [(one.architecture, one.size) for one in given_vision(method)]
        if not models:
            return 0.0
        from nicheclip.models.operations import backbone_operations

        images = size.judged + (0 if size.transductive else size.fit)
        return images * sum(backbone_operations(*model).forward for model in models)


def operations(needed: Passes, size: TaskSize, towers: Towers, rounds: int) -> float:
    """Floating-point operations of one seed in ``rounds`` epochs."""
    each = size.fit * needed.views(towers.tokens) * towers.image
    each += needed.texts_an_epoch() * towers.text
    once = (size.fit * needed.once + size.judged * needed.judged) * towers.image
    return rounds * each + once


def _split(images: Mapping[str, int], classes: int, split: SplitConfig) -> dict[str, int]:
    """How many images each split has, of those that the registry expects."""
    whole = sum(images.values())
    if split.train_images is not None:
        train = classes * split.train_images
        test = classes * split.test_images if split.test_images else whole - train
        return {"train": train, "test": test}
    if split.method == "given":
        moved = images.get("val", 0) if split.val_trains else 0
        return {**images, "train": images.get("train", 0) + moved}
    shares = {"train": 1 - split.val - split.test, "val": split.val, "test": split.test}
    return {name: round(whole * share) for name, share in shares.items()}
