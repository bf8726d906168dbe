"""What cannot be trained or judged on a data set, told from its images before anything is trained.

The config says what is wanted, the catalog what there is. A rule compares them as soon as a data
set is curated; what makes a job fail later is an error here, what only leaves a gap is a note.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nicheclip.config.evaluation import LEARNS_FROM
from nicheclip.config.optimization import ScheduleConfig
from nicheclip.config.workflow import Config

#: so many names of classes are written out
MOST_NAMED = 5

#: what images of a split that is learnt from are called
LEARNT = {"train": "training", "val": "validation"}


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WantedRun(_Wanted):
    """A training run on the data set."""

    name: str
    epochs: int
    min_steps: int
    batch_size: int
    schedule: ScheduleConfig


class WantedTask(_Wanted):
    """An evaluation on the data set."""

    name: str
    split: str
    shots: list[int]
    """Of few-shot classification among all classes; empty without it."""
    among_all: bool
    """All classes are judged, not just some of them."""
    baseline: bool
    learns: dict[str, str] = {}
    """By split, a protocol that learns from it."""


class Wanted(_Wanted):
    """All that a config wants of a data set."""

    runs: list[WantedRun]
    tasks: list[WantedTask]


class Finding(_Wanted):
    """A sentence for the user."""

    kind: Literal["error", "note"]
    text: str


def wanted(config: Config, dataset: str) -> Wanted:
    """What ``config`` wants of ``dataset``."""
    return Wanted(
        runs=[
            WantedRun(
                name=name,
                epochs=run.epochs,
                min_steps=run.min_steps,
                batch_size=run.batch_size,
                schedule=run.schedule,
            )
            for name, run in config.training.items()
            if run.dataset == dataset
        ],
        tasks=[
            WantedTask(
                name=name,
                split=task.split,
                shots=task.shots if "few_shot" in task.protocols else [],
                among_all=not task.chooses,
                baseline=task.baseline,
                learns={LEARNS_FROM[p]: p for p in reversed(task.protocols) if p in LEARNS_FROM},
            )
            for name, task in config.evaluation.items()
            if dataset in task.datasets
        ],
    )


def findings(
    dataset: str,
    wanted: Wanted,
    counts: Mapping[str, Mapping[str, int]],
    batches: Callable[[int, int], int],
) -> list[Finding]:
    """What a data set with these images lacks.

    Args:
        dataset: its name.
        wanted: of it.
        counts: images of each class, by split; classes without an image are left out.
        batches: of an epoch, from the number of images and the batch size.
    """
    classes = sorted({name for found in counts.values() for name in found})
    found = []
    for run in wanted.runs:
        found += _of_run(dataset, run, counts, batches)
    for task in wanted.tasks:
        found += _of_task(dataset, task, counts, classes)
    return found


def _of_run(
    dataset: str,
    run: WantedRun,
    counts: Mapping[str, Mapping[str, int]],
    batches: Callable[[int, int], int],
) -> list[Finding]:
    where, split = f"training.{run.name}", f"datasets.{dataset}.split"
    train = sum(counts.get("train", {}).values())
    if train < 2:
        return [_error(f"{where}: {dataset!r} has {train} training images. Change {split}.")]
    found = []
    steps = max(run.epochs * batches(train, run.batch_size), run.min_steps)
    if run.schedule.warmup(steps) >= steps:
        found.append(
            _error(
                f"{where}.schedule.warmup_steps: {run.schedule.warmup_steps} steps, but {train} "
                f"training images are {steps} steps in all. Shorten the warm-up (0.1 is a tenth of "
                "the run), set min_steps, or train for more epochs."
            )
        )
    if not counts.get("val"):
        found.append(
            _note(
                f"{where}: {dataset!r} has no validation image, so no epoch is validated. Set "
                f"{split}.val if it should be."
            )
        )
    return found


def _of_task(
    dataset: str,
    task: WantedTask,
    counts: Mapping[str, Mapping[str, int]],
    classes: Sequence[str],
) -> list[Finding]:
    where = f"evaluation.{task.name}"
    judged = counts.get(task.split, {})
    if not judged:
        return [
            _error(
                f"{where}: the split {task.split!r} of {dataset!r} has no image. Change "
                f"datasets.{dataset}.split or the evaluation's split."
            )
        ]
    found = []
    if task.baseline and not counts.get("train"):
        found.append(
            _error(
                f"{where}: {dataset!r} has no training image for the baseline to learn from; "
                "set baseline: false."
            )
        )
    for split, protocol in task.learns.items():
        if not counts.get(split):
            found.append(
                _error(
                    f"{where}: {dataset!r} has no {LEARNT[split]} image for {protocol} to learn "
                    "from; leave out that protocol."
                )
            )
    if not task.among_all:
        return found  # which classes are judged is known when the data sets are compared
    if untested := [name for name in classes if name not in judged]:
        found.append(
            _note(
                f"{where}: {len(untested)} of {len(classes)} classes have no image in the split "
                f"{task.split!r} and are not tested: {_listed(untested)}."
            )
        )
    return [*found, *_few_shot(where, task, judged, len(classes))]


def _few_shot(
    where: str, task: WantedTask, judged: Mapping[str, int], classes: int
) -> list[Finding]:
    """A class takes part with ``shots`` images to learn from and one to judge."""
    ways = {shots: sum(n > shots for n in judged.values()) for shots in sorted(task.shots)}
    if ways and max(ways.values()) < 2:
        return [
            _error(
                f"{where}: few_shot with {min(ways)} or more shots needs two classes of "
                f"{min(ways) + 1} images in the split {task.split!r}; the largest has "
                f"{max(judged.values())}. Choose fewer shots, a larger split, or no few_shot."
            )
        ]
    return [
        _note(
            f"{where}: {shots}-shot is not judged: it needs two classes of {shots + 1} images."
            if count < 2
            else f"{where}: {shots}-shot chooses among {count} of {classes} classes, those with "
            f"{shots + 1} images or more."
        )
        for shots, count in ways.items()
        if count < classes
    ]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _error(text: str) -> Finding:
    return Finding(kind="error", text=text)


def _note(text: str) -> Finding:
    return Finding(kind="note", text=text)
