"""``nicheclip cost``: what a config will cost."""

from pathlib import Path
from typing import Annotated

import typer


def cost(
    config: Annotated[Path, typer.Argument(help="A config of the workflow.")] = Path("config.yaml"),
    teraflops: Annotated[
        float | None,
        typer.Option(
            min=1e-9, help="10^12 operations a second that the device does in practice: GPU hours."
        ),
    ] = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="A row for each task.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of columns.")] = False,
) -> None:
    """Print images, steps, operations and GPU hours of each training and adaptation."""
    from nicheclip.cost.config import cost_of
    from nicheclip.cost.rows import as_csv, as_text
    from nicheclip.runtime.paths import registry_folder

    rows = cost_of(config, registry_folder(), tasks=tasks)
    print(as_csv(rows, teraflops) if csv else as_text(rows, teraflops))
