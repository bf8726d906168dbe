"""What a config will cost, before it runs.

python -m nicheclip.cost --configfile workflow/config/fair.yaml --teraflops 90
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nicheclip.config.workflow import check_file, parse_config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.cost.adaptation import CostOfAdaptation
from nicheclip.cost.pretraining import CostOfPretraining
from nicheclip.cost.rows import CostRow, as_csv, as_text
from nicheclip.cost.training import CostOfTraining
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows of a config's entries, or of each task."""
    options = _options(arguments)
    try:
        check_file(options.configfile)
        config = parse_config(read_yaml(options.configfile), [options.configfile])
        plan = Plan(config, options.registry)
        trainings = CostOfTraining(plan)
        found = [
            *trainings.rows(),
            *CostOfPretraining(trainings).rows(),
            *CostOfAdaptation(plan).rows(),
        ]
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    rows = found if options.tasks else summed(found)
    print(as_csv(rows, options.teraflops) if options.csv else as_text(rows, options.teraflops))
    return 0


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


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.cost", description="What a config will cost, before it runs."
    )
    parser.add_argument("--configfile", default="config.yaml", type=Path)
    parser.add_argument("--registry", default=Path("workflow/registry"), type=Path)
    parser.add_argument(
        "--teraflops",
        type=_positive,
        help="10^12 operations a second that the device does in practice; gives GPU hours",
    )
    parser.add_argument("--tasks", action="store_true", help="a row for each task")
    parser.add_argument("--csv", action="store_true", help="CSV instead of columns")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
