"""``nicheclip export``: a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from nicheclip.cli.options import Model
from nicheclip.runtime.errors import InputError


def export(
    model: Model,
    onnx: Annotated[
        Path | None, typer.Option(help="Write both towers as ONNX to this folder.")
    ] = None,
    hub: Annotated[
        str | None, typer.Option(help="OWNER/NAME: upload to the hub, with a card, privately.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Of what the hub gets; else hub/OWNER/NAME here.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write what the hub would get, and upload nothing.")
    ] = False,
) -> None:
    """Write a model for programs without torch, or for the hub.

    The ONNX files are compared with the model: features differ by 1e-4 at most.
    """
    from nicheclip.predict.open_model import open_model
    from nicheclip.runtime.paths import registry_folder

    if onnx is None and hub is None:
        raise InputError("export: say --onnx FOLDER or --hub OWNER/NAME.")
    opened = open_model(model, registry_folder())
    if onnx is not None:
        from nicheclip.models.onnx import export_onnx

        _list(export_onnx(opened.clip, onnx))
    if hub is not None:
        from nicheclip.predict.hub import hub_folder, upload

        target = folder or Path("hub") / hub
        files = hub_folder(opened, hub, target)
        _list(files)
        if not dry_run:
            print(f"uploaded to {upload(hub, target, files)}, which is private")


def _list(files: list[Path]) -> None:
    for file in files:
        print(f"{file}  {file.stat().st_size:,} bytes")
