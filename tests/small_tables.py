"""Judged cells in the working folder, and the tables that the project's files make of them."""

import copy
from pathlib import Path

import yaml

from nicheclip.config.workflow import parse_config
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.measures import CellMetrics, Measure, measure_cost, write_metrics
from nicheclip.plan.cells import Cell
from nicheclip.plan.plan import Plan
from nicheclip.plan.tables import PaperTables
from nicheclip.reporting.pivot import make_table
from nicheclip.subjects import Subject

ROOT = Path(__file__).parents[1]
REGISTRY = ROOT / "workflow/registry"
BOUNDS = {"confidence": 0.95, "method": "bootstrap"}


def config(name, **changes):
    """``tests/configs/<name>.yaml`` with other values, by dotted keys with ``__`` for the dot."""
    values = copy.deepcopy(yaml.safe_load((ROOT / f"tests/configs/{name}.yaml").read_text()))
    for path, value in changes.items():
        *sections, last = path.split("__")
        place = values
        for key in sections:
            place = place[key]
        place[last] = value
    return values


def methods_on_two_tasks():
    """The values of a config with three methods, one seed each, on the tasks few and more."""
    values = config("adapt", adaptation__fair__seeds=[0], adaptation__upl__best_epoch=False)
    values["tasks"]["more"] = values["tasks"]["few"]
    for name in ("free", "upl", "fair"):
        values["adaptation"][name]["tasks"] = ["few", "more", "few-test", "few-stream"]
    values["papers"]["fair"]["tasks"] = ["few", "more"]
    return values


def tables(values, registry=REGISTRY):
    return PaperTables(Plan(parse_config(values), registry))


def measure(name, value, n=40, classes=4, reach=0.1, **facets):
    """With an interval of ``reach`` on both sides, and the chance of ``classes``."""
    return Measure(
        name=name,
        facets={key: str(text) for key, text in facets.items()},
        value=value,
        n=n,
        classes=classes,
        chance=1 / classes,
        **({"low": value - reach, "high": value + reach} | BOUNDS if reach else {}),
    )


def write_cell(subject, evaluation, protocol, *measures, dataset, n=40, classes=4):
    """The metrics of ``subject`` (``kind/name/variant``) in the working folder; their path."""
    (kind, *names), variant = subject.split("/")[:-1], subject.split("/")[-1]
    name = "/".join(names)
    cell = Cell(
        Subject(kind=kind, name=name, variant=variant), evaluation, dataset, "test", protocol
    )
    write_metrics(
        cell.metrics,
        CellMetrics(
            subject=cell.subject,
            evaluation=evaluation,
            dataset=dataset,
            split="test",
            protocol=protocol,
            n=n,
            classes=classes,
            measures=list(measures),
            counts={},
            excluded=[],
            cost=measure_cost(0.1),
        ),
    )
    return cell.metrics


def made(paper_tables, name):
    """The finished table ``name``, of those cells that were written."""
    request = paper_tables.by_name[name].request
    return make_table(request, read_cells([p for p in map(Path, request.metrics) if p.is_file()]))
