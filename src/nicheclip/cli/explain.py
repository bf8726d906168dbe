"""``nicheclip explain``: where a number in a table comes from."""

from pathlib import Path
from typing import Annotated

import typer


def explain(
    table: Annotated[Path, typer.Argument(help="results/tables/NAME.csv", show_default=False)],
    row: Annotated[
        str, typer.Option(help="The text in its first column; more of its texts after ' / '.")
    ],
    column: Annotated[str, typer.Option(help="The name of the column in the CSV file.")],
    json: Annotated[bool, typer.Option("--json", help="JSON instead of YAML.")] = False,
) -> None:
    """Print the passport of a cell of a table.

    Predictions, model, config, digests of code and data, versions, hardware, seeds, and where the
    published numbers are from; all as the workflow wrote it beside its results.
    """
    from dataclasses import asdict
    from json import dumps

    import yaml

    from nicheclip.reporting.passport import passport

    found = {name: value for name, value in asdict(passport(table, row, column)).items() if value}
    if json:
        print(dumps(found, indent=2, ensure_ascii=False))
    else:
        print(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100), end="")
