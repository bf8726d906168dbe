"""What a config will cost, before it runs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nicheclip.config.workflow import check_file, parse_config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.cost.adaptation import CostOfAdaptation
from nicheclip.cost.pretraining import CostOfPretraining
from nicheclip.cost.rows import CostRow
from nicheclip.cost.training import CostOfTraining
from nicheclip.plan.plan import Plan


def cost_of(file: Path, registry: Path, *, tasks: bool = False) -> list[CostRow]:
    """The rows of a config's entries.

    Args:
        file: a config of the workflow.
        registry: the folder of registry entries.
        tasks: a row for each task of an entry.

    Raises:
        InputError: the config cannot be used.
    """
    check_file(file)
    plan = Plan(parse_config(read_yaml(file), [file]), registry)
    trainings = CostOfTraining(plan)
    found = [
        *trainings.rows(),
        *CostOfPretraining(trainings).rows(),
        *CostOfAdaptation(plan).rows(),
    ]
    return found if tasks else summed(found)


def summed(rows: Sequence[CostRow]) -> list[CostRow]:
    """One row for each entry: images and operations of all its tasks together."""
    entries: dict[str, list[CostRow]] = defaultdict(list)
    for row in rows:
        entries[row.entry].append(row)
    return [_sum(of) for of in entries.values()]


def _sum(rows: Sequence[CostRow]) -> CostRow:
    known = [row for row in rows if row.operations is not None and row.images is not None]
    notes = dict.fromkeys(row.note for row in rows if row.note)
    images = sum(row.images or 0 for row in known)
    return replace(
        rows[0],
        data=rows[0].data if len(rows) == 1 else f"{len(rows)} tasks",
        images=images if known else None,
        epochs=max(row.epochs for row in rows),
        forward=max(row.forward for row in rows),
        backward=max(row.backward for row in rows),
        operations=sum(row.operations or 0.0 for row in known) if known else None,
        note="; ".join(notes),
    )
