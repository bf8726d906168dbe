"""The report's first page: which parts a config gives it."""

from collections.abc import Sequence

from nicheclip.config.text_sets import CaptionSet, class_text_set
from nicheclip.plan.cells import Cell
from nicheclip.plan.figures import ConfusionFigure, calibration_figures, confusion_figures
from nicheclip.plan.page_request import (
    CaptionPart,
    DatasetPart,
    EvaluationPart,
    PagePlan,
    SourcesPart,
    WrongPart,
)
from nicheclip.plan.plan import Plan
from nicheclip.plan.tables import PaperTables
from nicheclip.plan.words import SCALE_MARKS


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
        datasets=_datasets(plan),
        evaluations=_evaluations(plan, confusions),
        answers={
            f"{task}: {name}": f"answers/{task}/{name}.html"
            for task in plan.adaptations.unlabelled
            for name in plan.adaptations.of_task(task)
        },
        predictions=_pictures(plan, confusions),
        captions=_captions(plan),
        sources=_sources(plan),
        papers=[
            file
            for one in papers.by_name.values()
            for file in one.outputs
            if file.endswith(".html")
        ],
        training={
            run: f"results/figures/training/{run}.svg"
            for run in (*config.training, *config.pretraining)
        },
        random_starts=_random_starts(plan),
        single_seeds=[name for name, run in config.training.items() if len(run.seeds) == 1],
        leaderboard="tables/leaderboard.html" if plan.judged else None,
        details=details,
    )


def _datasets(plan: Plan) -> list[DatasetPart]:
    return [
        DatasetPart(
            name=name,
            manifest=f"results/acquire/{name}/manifest.json",
            findings=f"results/findings/{name}.json",
            catalog=f"results/acquire/{name}/catalog.parquet",
            images=f"results/acquire/{name}",
            near_duplicate_bits=dataset.split.near_duplicate_bits,
        )
        for name, dataset in plan.config.datasets.items()
    ]


def _evaluations(plan: Plan, confusions: Sequence[ConfusionFigure]) -> list[EvaluationPart]:
    return [
        EvaluationPart(
            name=name,
            table=f"results/tables/evaluation/{name}.html",
            metrics=[cell.metrics for cell in plan.cells(name)],
            wrong=[
                *(_wrong(one) for one in confusions if one.evaluation == name),
                *(_wrong_by_text_type(cell) for cell in _by_text_type(plan, name)),
            ],
            calibration={
                one.title: f"results/figures/{one.path}.svg"
                for one in calibration_figures(plan)
                if one.evaluation == name
            },
        )
        for name in plan.config.evaluation
    ]


def _captions(plan: Plan) -> list[CaptionPart]:
    return [
        CaptionPart(
            name=name,
            captions=f"results/captions/{name}/captions.parquet",
            manifest=f"results/captions/{name}/manifest.json",
            catalog=f"results/acquire/{one.dataset}/catalog.parquet",
            images=f"results/acquire/{one.dataset}",
        )
        for name, one in plan.config.captions.items()
    ]


def _random_starts(plan: Plan) -> list[str]:
    """Trainings and adaptations that start from random weights."""
    models = plan.config.models
    trained = [
        name
        for name, run in plan.config.training.items()
        if models[run.model].pretrained is None and run.start_from is None
    ]
    adapted = [
        name
        for name, one in plan.config.adaptation.items()
        if one.model and models[one.model].pretrained is None
    ]
    return trained + adapted


def _pictures(plan: Plan, confusions: Sequence[ConfusionFigure]) -> dict[str, WrongPart]:
    """A page of pictures for the first model of each evaluation and data set.

    A config that repeats papers has many small evaluations, whose mistakes the report shows.
    """
    papers = plan.config.papers
    if any(getattr(papers, paper) is not None for paper in type(papers).model_fields):
        return {}
    firsts = {(one.evaluation, one.dataset): one for one in reversed(confusions)}
    return {
        f"{one.path.replace('confusion', 'predictions', 1)}.html": _wrong(one)
        for one in confusions
        if one is firsts[one.evaluation, one.dataset]
    }


def _sources(plan: Plan) -> SourcesPart | None:
    """The caption sources that FungalZSL's figure 4 compares, by the same run."""
    paper = plan.config.papers.fungalzsl
    if paper is None:
        return None
    cells = [
        cell
        for evaluation in paper.caption_sources
        for cell in plan.cells(evaluation)
        if cell.protocol == "zero_shot"
        and cell.subject.kind == "trained"
        and cell.subject.name == paper.figures_from
    ]
    texts = {
        cell.evaluation: class_text_set(plan.config.evaluation[cell.evaluation].on(cell.dataset))
        for cell in cells
    }
    return SourcesPart(
        evaluations=paper.caption_sources,
        captions={name: one.captions for name, one in texts.items() if isinstance(one, CaptionSet)},
        metrics=[cell.metrics for cell in cells],
    )


def _wrong(figure: ConfusionFigure) -> WrongPart:
    return WrongPart(
        title=figure.title,
        figure=f"results/figures/{figure.path}.svg",
        by_text_type=False,
        predictions=figure.predictions,
        classes=figure.classes,
        catalog=f"results/acquire/{figure.dataset}/catalog.parquet",
        images=f"results/acquire/{figure.dataset}/{figure.split}",
    )


def _by_text_type(plan: Plan, evaluation: str) -> list[Cell]:
    """What is judged by each text type: the first seed of each run."""
    return [
        cell
        for cell in plan.cells(evaluation)
        if cell.protocol == "text_types"
        and cell.subject.kind == "trained"
        and cell.subject == plan.trained(cell.subject.name)[0]
    ]


def _wrong_by_text_type(cell: Cell) -> WrongPart:
    return WrongPart(
        title=f"{cell.subject.name} ({cell.subject.variant}): {cell.evaluation} on "
        f"{cell.dataset}/{cell.split}",
        figure=None,
        by_text_type=True,
        predictions=cell.predictions,
        classes=f"results/acquire/{cell.dataset}/classes.parquet",
        catalog=f"results/acquire/{cell.dataset}/catalog.parquet",
        images=f"results/acquire/{cell.dataset}/{cell.split}",
    )
