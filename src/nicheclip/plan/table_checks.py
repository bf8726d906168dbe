"""Whether the config has everything that a table needs, in words that say what to change."""

from nicheclip.config.tables import TableSpec
from nicheclip.plan.cells import Cell
from nicheclip.plan.plan import Plan
from nicheclip.plan.table_request import Selection, TableRequest
from nicheclip.runtime.errors import InputError


def check_planned(
    plan: Plan, paper: str, table: str, selection: Selection, planned: frozenset[Cell]
) -> None:
    """Every cell that a table needs is in the plan, with the text type and shots that it needs.

    Raises:
        InputError: one is not; says which key of the config lacks what.
    """
    task = plan.judged[selection.evaluation]
    where, evaluation = (
        f"evaluation.{selection.evaluation}",
        f"the evaluation {selection.evaluation!r}",
    )
    problem = ""
    if selection.kind == "baseline":
        if not task.baseline:
            problem = f"{evaluation} has no baseline; set {where}.baseline: true"
    elif selection.protocol not in task.protocols:
        problem = (
            f"{evaluation} lacks the protocol {selection.protocol}; add it to {where}.protocols"
        )
    elif selection.dataset not in task.datasets:
        problem = (
            f"{evaluation} does not judge on the data set {selection.dataset!r}; add it to "
            f"{where}.dataset"
        )
    elif not planned.issuperset(selection.cells):
        problem = (
            f"{evaluation} does not judge {selection.kind}/{selection.name}"
            + _why_not_judged(plan, selection)
        )
    elif (text_type := selection.facets.get("text_type")) and text_type not in task.text_types:
        problem = (
            f"{evaluation} does not test the text type {text_type}; add it to {where}.text_types"
        )
    elif (shots := selection.facets.get("shots")) and shots not in task.shots:
        problem = f"{evaluation} has no {shots} shots; add it to {where}.shots"
    if problem:
        raise InputError(f"config: papers.{paper}: {problem} (needed by {table}).")


def _why_not_judged(plan: Plan, selection: Selection) -> str:
    if selection.kind == "adapted":
        adaptation = selection.name.split("/")[0]
        return f"; add the task to adaptation.{adaptation}.tasks"
    if selection.kind == "aligned":
        return f"; add it to evaluation.{selection.evaluation}.aligned"
    task = plan.judged[selection.evaluation]
    run = plan.config.training.get(selection.name)
    where = f"evaluation.{selection.evaluation}.runs"
    if task.runs is None and run and run.dataset != selection.dataset:
        return (
            f": the run is trained on {run.dataset!r}, the evaluation is of {selection.dataset!r}; "
            f"runs of other data must be listed in {where}"
        )
    return f"; add the run to {where}"


def check_agreement(plan: Plan, paper: str, spec: TableSpec, request: TableRequest) -> None:
    """The evaluations and runs of a table belong together, as its file demands.

    Raises:
        InputError: two evaluations differ, or a run is trained on other data.
    """
    found = list(dict.fromkeys(one.evaluation for one in request.selections))
    tasks = plan.judged
    for key in spec.agree:
        # an evaluation without seen_in is of all classes, whichever were seen
        having = [name for name in found if getattr(tasks[name], key) is not None]
        for name in having[1:]:
            if getattr(tasks[name], key) != getattr(tasks[having[0]], key):
                raise InputError(
                    f"config: papers.{paper}: {name!r} and the evaluation {having[0]!r} do not "
                    f"have the same {key}; their numbers are side by side in {request.name}."
                )
    for one in request.selections:
        if spec.trained_on and one.kind == "trained":
            _check_data(plan, paper, spec.trained_on == "seen_in", one)


def _check_data(plan: Plan, paper: str, by_seen: bool, selection: Selection) -> None:
    evaluation, run = selection.evaluation, selection.name
    data, seen = plan.config.training[run].dataset, plan.judged[evaluation].seen_in
    if by_seen and seen is not None and data != seen:
        raise InputError(
            f"config: papers.{paper}: the run {run!r} is trained on {data!r}, but the evaluation "
            f"{evaluation!r} counts species as seen in {seen!r}."
        )
    if not by_seen and data != selection.dataset:
        raise InputError(
            f"config: papers.{paper}: the run {run!r} is trained on {data!r}, the evaluation "
            f"{evaluation!r} is of {selection.dataset!r}."
        )
