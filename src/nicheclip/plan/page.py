"""What stands on the report's first page, and the files that it is made from."""

from pydantic import BaseModel, ConfigDict

from nicheclip.plan.figures import ConfusionFigure, confusion_figures
from nicheclip.plan.plan import Plan, unique
from nicheclip.plan.tables import PaperTables
from nicheclip.plan.words import SCALE_MARKS


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetPart(_Part):
    """What is said of a data set."""

    name: str
    manifest: str
    """Of curate."""
    findings: str
    """What cannot be judged or trained on it: see ``plan.findings``."""


class WrongPart(_Part):
    """What one model gets wrong in one evaluation."""

    title: str
    figure: str
    """The confusion matrix, an SVG file."""
    predictions: str
    classes: str
    catalog: str
    images: str
    """Folder of the split that was judged."""


class EvaluationPart(_Part):
    """One evaluation: its table, and the mistakes of its models."""

    name: str
    table: str
    """An HTML page."""
    metrics: list[str]
    """Of all of its cells."""
    wrong: list[WrongPart]


class PagePlan(_Part):
    """The whole page."""

    title: str
    datasets: list[DatasetPart]
    evaluations: list[EvaluationPart]
    papers: list[str]
    """Tables of the papers, HTML pages."""
    training: dict[str, str]
    """The curves of each run, SVG files."""
    random_starts: list[str]
    """Runs that start from random weights."""
    single_seeds: list[str]
    """Runs with one seed."""
    details: str
    """Snakemake's own report, relative to the page."""

    def inputs(self) -> list[str]:
        """The files that are read; those of cells are in their jobs' folders, which rules name."""
        files = [file for one in self.datasets for file in (one.manifest, one.findings)]
        for evaluation in self.evaluations:
            files.append(evaluation.table)
            for part in evaluation.wrong:
                files += [part.figure, part.classes, part.catalog, f"{part.images}/images.arrow"]
        return unique([*files, *self.papers, *self.training.values()])


def page_plan(plan: Plan, papers: PaperTables, details: str) -> PagePlan:
    """The page of a config.

    Args:
        plan: of the config.
        papers: its papers' tables.
        details: where Snakemake's own report lies, relative to the page.
    """
    config = plan.config
    confusions = confusion_figures(plan)
    return PagePlan(
        title=", ".join(config.datasets) + SCALE_MARKS[config.scale],
        datasets=[
            DatasetPart(
                name=name,
                manifest=f"results/acquire/{name}/manifest.json",
                findings=f"results/findings/{name}.json",
            )
            for name in config.datasets
        ],
        evaluations=[
            EvaluationPart(
                name=name,
                table=f"results/tables/evaluation/{name}.html",
                metrics=[cell.metrics for cell in plan.cells(name)],
                wrong=[_wrong(one) for one in confusions if one.evaluation == name],
            )
            for name in config.evaluation
        ],
        papers=[
            file
            for one in papers.by_name.values()
            for file in one.outputs
            if file.endswith(".html")
        ],
        training={run: f"results/figures/training/{run}.svg" for run in config.training},
        random_starts=[
            name
            for name, run in config.training.items()
            if config.models[run.model].pretrained is None
        ],
        single_seeds=[name for name, run in config.training.items() if len(run.seeds) == 1],
        details=details,
    )


def _wrong(figure: ConfusionFigure) -> WrongPart:
    return WrongPart(
        title=figure.title,
        figure=f"results/figures/{figure.path}.svg",
        predictions=figure.predictions,
        classes=figure.classes,
        catalog=f"results/acquire/{figure.dataset}/catalog.parquet",
        images=f"results/acquire/{figure.dataset}/{figure.split}",
    )
