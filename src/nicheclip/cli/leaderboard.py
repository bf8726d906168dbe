"""``nicheclip leaderboard``: a page from lines of results, ours and those of others."""

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    files: Annotated[
        list[str] | None, typer.Argument(help="JSONL files; a line a cell.", show_default=False)
    ] = None,
    html: Annotated[Path, typer.Option(help="Write the page there.")] = Path("leaderboard.html"),
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of a line, and do nothing else.")
    ] = False,
) -> None:
    """Make a page that ranks models, from the lines of leaderboard files.

    results/tables/leaderboard.jsonl has the lines of a run.
    """
    from json import dumps

    from nicheclip.config.leaderboard import LeaderboardLine, read_others
    from nicheclip.reporting.leaderboard_page import leaderboard_page
    from nicheclip.runtime.errors import InputError
    from nicheclip.runtime.files import check_writable, write_text

    if schema:
        print(dumps(LeaderboardLine.model_json_schema(), indent=2))
        return
    if not files:
        raise InputError("no file; give results/tables/leaderboard.jsonl, and those of others.")
    check_writable(html)
    lines = read_others(files, named=False)
    if not lines:
        raise InputError(f"{', '.join(files)}: no lines; expected a JSON object on each.")
    write_text(html, leaderboard_page(lines))
    print(f"{html}: {len(lines)} cells")
