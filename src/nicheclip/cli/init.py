"""``nicheclip init``: a config for somebody's images."""

import os
from pathlib import Path
from typing import Annotated

import typer

from nicheclip.runtime.errors import InputError


def init(
    images: Annotated[
        Path,
        typer.Argument(
            help="A folder of images, or a table with a row for each image.", show_default=False
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="The config; else NAME.yaml here.")] = None,
    name: Annotated[
        str | None, typer.Option(help="What results are called; else as IMAGES.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="For photographs without class folders: a name of a class on each line."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a config that is there.")] = False,
) -> None:
    """Look at images and write a config that runs.

    Split, model and epochs follow from what is there and from whether there is a GPU.
    """
    from nicheclip.runtime.files import write_text
    from nicheclip.runtime.local_machine import gpus_here
    from nicheclip.starter.config_text import choose, config_name, config_text, unlabelled_text
    from nicheclip.starter.look import look
    from nicheclip.starter.report import report

    called = name or config_name(images.resolve())
    if called != config_name(Path(called)):
        raise InputError(f"--name {called}: expected small letters, digits, - and _; no number.")
    file = output or Path(f"{called}.yaml")
    if file.exists() and not force:
        raise InputError(f"{file}: is there. Give another --output, or --force to replace it.")
    seen = look(images.expanduser().resolve())
    print(*report(seen), sep="\n")
    cores, gpus = os.cpu_count() or 1, gpus_here()
    if classes is not None:
        from nicheclip.config.class_list import class_names

        class_names(str(classes))
        text = unlabelled_text(seen, called, classes.resolve(), gpus, file=str(file), cores=cores)
    elif seen.kind == "unlabelled":
        raise InputError(
            f"{seen.path}: no class folders, so nothing says what the images show. Write the names "
            "of the classes into a text file, one on each line, and give it: --classes FILE."
        )
    elif len(seen.classes) < 2:
        raise InputError(f"{seen.path}: one class; expected at least two to tell apart.")
    else:
        text = config_text(seen, called, choose(seen, gpus), file=str(file), cores=cores)
    write_text(file, text)
    print(f"\nWrote {file}, for {'a GPU' if gpus else 'the CPU'}. Type:\n")
    print(f"    snakemake --cores {cores} --configfile {file}\n")
