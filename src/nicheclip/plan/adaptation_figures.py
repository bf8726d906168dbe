"""The figures of adaptation that no table holds: what they show, and what they are drawn from."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.plan.plan import Plan, unique

#: below ``results/figures``: the figures, and what the report calls them
PSEUDO_LABELS, CROP_WEIGHTS, HARD_GROUP = (
    f"adaptation/{name}" for name in ("pseudo_labels", "crop_weights", "hard_group")
)
TITLES = {
    PSEUDO_LABELS: "pseudo-labels by epoch",
    CROP_WEIGHTS: "crop weights",
    HARD_GROUP: "a hard group before and after",
}


class FigureTask(BaseModel):
    """A task with its labels, for whoever looks at results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    dataset: str
    fit: str
    """The split that was fitted."""
    judge: str


class AdaptationFigures(BaseModel):
    """As the job that draws them is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained: dict[str, str]
    """The methods of Table 1 that train: row label and adaptation."""
    tasks: list[FigureTask]
    """Of Table 1; the first one is looked at closely."""
    shown: str
    """The adaptation by FAIR."""
    label: str
    """Its row label."""
    seed: int
    """Its first."""
    start: str
    """Its start, a model folder."""
    crops: int
    top_crops: int | None
    crop_side: tuple[float, float]

    @property
    def subject(self) -> str:
        """The result that is looked at closely."""
        return f"adapted/{self.shown}/{self.tasks[0].name}/seed{self.seed}"

    @property
    def acquired(self) -> list[str]:
        """Catalogs and classes of the tasks."""
        names = ("catalog", "classes")
        return unique(
            f"results/acquire/{task.dataset}/{name}.parquet"
            for task in self.tasks
            for name in names
        )


def adaptation_figures(plan: Plan) -> AdaptationFigures | None:
    """Those of the paper FAIR; None where the config has it not, or no method of the kind."""
    paper = plan.config.papers.fair
    if paper is None:
        return None
    adaptations, first = plan.adaptations, paper.tasks[0]
    entries = {label: plan.config.adaptation[name] for label, name in paper.methods.items()}
    fair = [
        label for label, one in entries.items() if one.method.kind == "fair" and first in one.tasks
    ]
    if not fair:
        return None
    name = paper.methods[fair[0]]
    method: Any = adaptations.method(name, first)
    tasks = [(one, plan.config.tasks[one]) for one in paper.tasks]
    return AdaptationFigures(
        trained={label: paper.methods[label] for label, one in entries.items() if one.trains},
        tasks=[
            FigureTask(name=one, dataset=task.dataset, fit=task.fit, judge=task.judge)
            for one, task in tasks
        ],
        shown=name,
        label=fair[0],
        seed=entries[fair[0]].seeds[0],
        start=adaptations.start(name).folder,
        crops=method.crops,
        top_crops=method.top_crops,
        crop_side=method.crop_side,
    )
