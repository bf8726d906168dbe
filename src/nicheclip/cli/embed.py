"""``nicheclip embed``: features of images as a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nicheclip.cli.options import BatchSize, Device, Images, MaxSide, Model, Threads, settings


def embed(
    model: Model,
    images: Images,
    output: Annotated[
        Path, typer.Option(help="A .parquet file (file, feature) or a .npy array beside a .csv.")
    ],
    batch_size: BatchSize = 64,
    device: Device = None,
    threads: Threads = None,
    max_side: MaxSide = None,
) -> None:
    """Write the features of images, of length 1, as float32.

    A .npy output has a row for each image that could be read; their files are in a .csv of the same
    name. Images that cannot be read are listed, and the exit status is 1.
    """
    from nicheclip.predict.embed import embed_images

    problems = embed_images(model, images, output, settings(batch_size, device, threads, max_side))
    if problems:
        print(f"{len(problems)} images could not be read:", file=sys.stderr)
        for file, reason in list(problems.items())[:10]:
            print(f"  {file}: {reason}", file=sys.stderr)
        raise typer.Exit(1)
