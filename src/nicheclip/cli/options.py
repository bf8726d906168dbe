"""Options that several parts of the command share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nicheclip.predict.settings import Settings

Model = Annotated[
    str,
    typer.Argument(
        help="A model folder (results/models/trained/RUN/seed0), ARCHITECTURE:TAG of open_clip "
        "(ViT-B-32:openai), or hf-hub:OWNER/NAME.",
        show_default=False,
    ),
]
Images = Annotated[
    list[str],
    typer.Argument(help="Images, folders, patterns such as 'photos/**/*.jpg'.", show_default=False),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Images that go through the model at once.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, mps; else a GPU if there is one.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads that decode images.")]
MaxSide = Annotated[
    int | None,
    typer.Option(help="Shrink images to so many pixels first; else as the model's data set was."),
]


def settings(
    batch_size: int, device: str | None, threads: int | None, max_side: int | None
) -> "Settings":
    """What the options of the computation say."""
    from dataclasses import replace

    from nicheclip.predict.settings import Settings

    found = Settings(batch_size=batch_size, device=device, max_side=max_side)
    return replace(found, threads=threads) if threads else found


def suffix_of(path: Path | None) -> str:
    """Of a file, in lower case without its dot; "" where there is none."""
    return path.suffix.lower().removeprefix(".") if path else ""
