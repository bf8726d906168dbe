"""Who is judged, by what, on what: built once from the config; the rules ask it."""

from collections.abc import Iterable, Iterator

from nicheclip.config.workflow import Config
from nicheclip.plan.cells import Cell
from nicheclip.subjects import PRETRAINED, Subject

COLOUR_HISTOGRAM = Subject(kind="baseline", name="colour_histogram", variant="default")


class Plan:
    """The grid of a config."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def start(self, model: str, seed: int) -> Subject:
        """The start model ``model``; random weights come from ``seed``."""
        pretrained = self.config.models[model].pretrained is not None
        variant = PRETRAINED if pretrained else f"seed{seed}"
        return Subject(kind="start", name=model, variant=variant)

    def trained(self, run: str) -> list[Subject]:
        """The results of a training run, seed by seed."""
        seeds = self.config.training[run].seeds
        return [Subject(kind="trained", name=run, variant=f"seed{seed}") for seed in seeds]

    def starts(self, run: str) -> list[Subject]:
        """What a training run starts from: one model, or one for each seed."""
        training = self.config.training[run]
        return unique(self.start(training.model, seed) for seed in training.seeds)

    def datasets(self, evaluation: str) -> list[str]:
        """The data sets that an evaluation judges on."""
        return self.config.evaluation[evaluation].datasets

    def runs(self, evaluation: str, dataset: str) -> list[str]:
        """The training runs that an evaluation judges on ``dataset``."""
        chosen = self.config.evaluation[evaluation].runs
        if chosen is not None:
            return list(chosen)
        return [
            run for run, training in self.config.training.items() if training.dataset == dataset
        ]

    def subjects(self, evaluation: str, dataset: str) -> list[Subject]:
        """The models that an evaluation judges on ``dataset``: each run's start and result, and
        start models without any training.
        """
        runs = self.runs(evaluation, dataset)
        judged = [s for run in runs for s in (*self.starts(run), *self.trained(run))]
        untrained = self.config.evaluation[evaluation].models
        return unique([*judged, *(self.start(model, self.config.seed) for model in untrained)])

    def cells(self, evaluation: str) -> list[Cell]:
        """Everything that an evaluation judges, baselines last."""
        task = self.config.evaluation[evaluation]
        cells = []
        for dataset in self.datasets(evaluation):
            cells += [
                Cell(subject, evaluation, dataset, task.split, protocol)
                for subject in self.subjects(evaluation, dataset)
                for protocol in task.protocols
            ]
            if task.baseline:
                name = COLOUR_HISTOGRAM.name
                cells.append(Cell(COLOUR_HISTOGRAM, evaluation, dataset, task.split, name))
        return cells

    def all_cells(self) -> Iterator[Cell]:
        """The cells of every evaluation."""
        for evaluation in self.config.evaluation:
            yield from self.cells(evaluation)


def unique(subjects: Iterable[Subject]) -> list[Subject]:
    """``subjects`` without repeats, in their order."""
    return list(dict.fromkeys(subjects))
