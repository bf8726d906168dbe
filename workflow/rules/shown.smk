"""The tables and figures that the config asks for, and how they stand in the report. No rules here."""

from nicheclip.plan.adaptation_figures import TITLES, adaptation_figures
from nicheclip.plan.figures import (
    calibration_figures,
    confusion_figures,
    embedding_figures,
    inputs_of,
)
from nicheclip.plan.page import page_plan
from nicheclip.plan.tables import PaperTables

try:
    TABLES = PaperTables(PLAN)
except InputError as error:
    raise WorkflowError(masked(str(error))) from None

# the runs that have training curves
CURVES = [*CONFIG.training, *CONFIG.pretraining]
ADAPTATION_FIGURES = adaptation_figures(PLAN)
CONFUSIONS, EMBEDDINGS = confusion_figures(PLAN), embedding_figures(PLAN)
CALIBRATIONS = calibration_figures(PLAN)

# Snakemake's own report, beside the first page
DETAILS = "results/report_details.html"
PAGE = page_plan(PLAN, TABLES, Path(DETAILS).name)


def figure(path, **report_options):
    """A figure's two files; the SVG goes into the report."""
    return {
        "svg": report(f"results/figures/{path}.svg", **report_options),
        "png": f"results/figures/{path}.png",
    }


def table(path, **report_options):
    """A table's five files; the page goes into the report."""
    base = f"results/tables/{path}"
    return {
        "md": f"{base}.md",
        "html": report(f"{base}.html", **report_options),
        "csv": f"{base}.csv",
        "tex": f"{base}.tex",
        "sources": f"{base}.sources.csv",
    }


def in_paper(suffix=""):
    """Where a paper's table or figure stands in the report."""
    return {
        "category": lambda w: TABLES.by_name[w.table].title,
        "caption": "../report/table.rst",
        "labels": lambda w: {"result": TABLES.by_name[w.table].label + suffix},
    }


def names(tables, figures):
    """A pattern for the tables that have rows, a figure, or both."""
    return any_of(
        name
        for name, one in TABLES.by_name.items()
        if (one.has_rows, one.has_figure) == (tables, figures)
    )


def reported_tables():
    """Every table that the config asks for, and the figures of the papers."""
    return [
        f"results/tables/evaluation/{evaluation}.html" for evaluation in PLAN.judged
    ] + [file for one in TABLES.by_name.values() for file in one.outputs]


def reported_figures():
    """The curves of every run, and the figures of every zero-shot or calibration evaluation."""
    shown = [f"training/{run}" for run in CURVES]
    shown += [one.path for one in [*CONFUSIONS, *EMBEDDINGS, *CALIBRATIONS]]
    shown += TITLES if ADAPTATION_FIGURES else []
    return [f"results/figures/{path}.svg" for path in shown]
