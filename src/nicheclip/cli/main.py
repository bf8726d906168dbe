"""The command and its parts. What is heavy is imported when a part runs, never for its help."""

import sys
from typing import Annotated

import typer

import nicheclip
from nicheclip.cli import cost, embed, explain, export, init, leaderboard, predict
from nicheclip.runtime.errors import InputError

#: the exit status for input that cannot be used
BAD_INPUT = 2

app = typer.Typer(
    name="nicheclip",
    help="Use the models that the workflow makes, and prepare what it reads.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (
    init.init,
    predict.predict,
    embed.embed,
    explain.explain,
    leaderboard.leaderboard,
    export.export,
    cost.cost,
):
    app.command()(part)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(nicheclip.__version__)
        raise typer.Exit


def main() -> None:
    """Run the command; input that cannot be used ends with a message and the status 2."""
    try:
        app(prog_name="nicheclip")
    except InputError as error:
        print(f"nicheclip: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:  # a place that may not be looked into, or that cannot be
        if error.filename is None:
            raise
        remedy = "Correct the path or its permissions."
        print(f"nicheclip: {error.filename}: {error.strerror}. {remedy}", file=sys.stderr)
        sys.exit(BAD_INPUT)
