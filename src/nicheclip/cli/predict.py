"""``nicheclip predict``: what images show."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nicheclip.cli.options import (
    BatchSize,
    Device,
    Images,
    MaxSide,
    Model,
    Threads,
    settings,
    suffix_of,
)
from nicheclip.runtime.errors import InputError

if TYPE_CHECKING:
    from nicheclip.predict.predictor import Prediction, Predictor

Format = Literal["csv", "json", "table"]
Rank = Literal["kingdom", "phylum", "class", "order", "family", "genus", "species"]
TextType = Literal["sci", "com", "taxon", "sci_com", "taxon_com", "taxontag", "taxontag_com"]

#: images with a problem that are named on the console; the output has all
NAMED = 10
#: the exit status where some images could not be read
SOME_UNREADABLE = 1


def predict(
    model: Model,
    images: Images,
    classes: Annotated[
        Path | None, typer.Option(help="Names of classes, one on each line, or a table of them.")
    ] = None,
    taxonomy: Annotated[
        Path | None,
        typer.Option(help="Classes with ranks: CSV, TSV or Parquet with kingdom ... species."),
    ] = None,
    rank: Annotated[
        Rank | None, typer.Option(help="Guess taxa of this rank, by sums over their classes.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Guesses for each image.")] = 5,
    confidence: Annotated[
        float | None,
        typer.Option(help="Also answer with the deepest taxon that is at least so probable: 0.8."),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(help="Only classes of a taxon, family=Rosaceae; may be repeated."),
    ] = None,
    only: Annotated[
        Path | None, typer.Option(help="Only classes of these names: a checklist of a region.")
    ] = None,
    text_type: Annotated[
        TextType | None, typer.Option(help="Text of a class; else as the model was trained.")
    ] = None,
    templates: Annotated[
        str, typer.Option(help="A name in workflow/registry/prompts, or a file.")
    ] = "photo",
    format: Annotated[
        Format | None,
        typer.Option(help="Else by the output's suffix; on a terminal a table, to a pipe CSV."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write there, not to the console.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page of pictures.")] = None,
    batch_size: BatchSize = 64,
    device: Device = None,
    threads: Threads = None,
    max_side: MaxSide = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no class texts.")] = False,
) -> None:
    """Say what images show.

    Without --classes and --taxonomy a model of the workflow answers among its own classes. Images
    that cannot be read are listed, the rest is done, and the exit status is 1.
    """
    from dataclasses import replace

    from nicheclip.predict.pictures import find_images
    from nicheclip.predict.predictor import Prediction, Predictor
    from nicheclip.predict.restrict import parse_within
    from nicheclip.runtime.files import write_text
    from nicheclip.runtime.progress import progress

    if classes and taxonomy:
        raise InputError("--classes and --taxonomy: give one of them.")
    kind = _format(format, output)
    found = find_images(images)
    _check_outputs([file for file in (output, html) if file], found.files)
    chosen = settings(batch_size, device, threads, max_side)
    chosen = replace(chosen, text_type=text_type, templates=templates)
    chosen = replace(chosen, cache=None) if no_cache else chosen
    predictor = Predictor.open(
        model, classes or taxonomy, chosen, taxa=parse_within(within or []), only=only
    )
    _say(f"{len(found.files)} images, {predictor.classes.table.height} classes", predictor)
    said = predictor.predict(found.files, top=top, rank=rank, confidence=confidence)
    predictions = [
        *progress(said, label="predict (images)", total=len(found.files)),
        *(Prediction(file, problem=reason) for file, reason in found.problems.items()),
    ]
    _write(predictions, kind, output, top=top, answers=confidence is not None)
    if html:
        from nicheclip.predict.page import predictions_page

        write_text(html, predictions_page(model, predictions, answers=confidence is not None))
    if _report_problems(predictions):
        raise typer.Exit(SOME_UNREADABLE)


def _check_outputs(outputs: list[Path], images: list[Path]) -> None:
    """Raise InputError, before anything is computed, if a file cannot be written or would replace
    an image or the other one.
    """
    from nicheclip.runtime.files import check_writable

    given = {file.resolve() for file in images}
    for file in outputs:
        if file.resolve() in given:
            raise InputError(f"{file}: is one of the images; it would be replaced. Name another.")
        given.add(file.resolve())
        check_writable(file)


def _format(wanted: Format | None, output: Path | None) -> Format:
    if wanted:
        return wanted
    kinds: dict[str, Format] = {"csv": "csv", "json": "json", "txt": "table"}
    if output:
        if suffix_of(output) not in kinds:
            raise InputError(f"--output {output}: expected .csv, .json or .txt, or say --format.")
        return kinds[suffix_of(output)]
    return "table" if sys.stdout.isatty() else "csv"


def _write(
    predictions: list["Prediction"], kind: Format, output: Path | None, *, top: int, answers: bool
) -> None:
    from nicheclip.predict.write import lines
    from nicheclip.runtime.files import write_text

    text = lines(predictions, kind, top=top, answers=answers)
    if output:
        write_text(output, "".join(text))
    else:
        sys.stdout.writelines(text)


def _say(what: str, predictor: "Predictor") -> None:
    print(f"{what} ({predictor.classes.source})", file=sys.stderr)
    for note in predictor.notes:
        print(f"note: {note}", file=sys.stderr)


def _report_problems(predictions: list["Prediction"]) -> int:
    """Name the images that could not be read; returns how many there are."""
    wrong = [one for one in predictions if one.problem]
    if wrong:
        print(f"{len(wrong)} of {len(predictions)} images could not be read:", file=sys.stderr)
        for one in wrong[:NAMED]:
            print(f"  {one.file}: {one.problem}", file=sys.stderr)
        if len(wrong) > NAMED:
            print("  ... all are in the output", file=sys.stderr)
    return len(wrong)
