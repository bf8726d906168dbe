"""Images with their predicted and true classes (FungalZSL, Figure 5)."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from pydantic import BaseModel

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.predictions import Predictions, read_class_names
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.judged import predictions_of
from nicheclip.reporting.style import RIGHT, WRONG, shortened, style
from nicheclip.reporting.table import Table
from nicheclip.runtime.seeding import generator

#: pictures
ROWS, COLUMNS = 4, 6


class Shown(BaseModel):
    """One picture."""

    image_id: str
    label: str
    predicted: str


class PictureNumbers(BaseModel):
    """The numbers of the figure."""

    images: int
    """That were judged."""
    accuracy: float
    """Of all of them."""
    shown: list[Shown]


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """A random sample of the images that the first row's first seed judged."""
    predictions = predictions_of(request.rows[0].entry)[0]
    figure = prediction_grid(
        predictions,
        ImageSet(Path(f"results/acquire/{request.dataset}/{request.split}")),
        read_class_names(request.acquired("classes.parquet")),
        request.title,
        seed=request.seed,
    )
    shown = [
        Shown(
            image_id=predictions.image_ids[place],
            label=predictions.labels[place],
            predicted=predictions.best[place],
        )
        for place in drawn_at_random(predictions, ROWS * COLUMNS, request.seed)
    ]
    numbers = PictureNumbers(
        images=len(predictions.image_ids),
        accuracy=float(predictions.correct().mean()),
        shown=shown,
    )
    return Drawing(figure, numbers)


def drawn_at_random(predictions: Predictions, most: int, seed: int) -> list[int]:
    """Places of ``most`` images, or of all, drawn at random."""
    wanted = min(most, len(predictions.image_ids))
    order = sorted(range(len(predictions.image_ids)), key=lambda i: predictions.image_ids[i])
    chosen = generator("prediction grid", seed).choice(len(order), size=wanted, replace=False)
    return [order[number] for number in chosen]


def prediction_grid(
    predictions: Predictions,
    images: ImageSet,
    names: Mapping[str, str],
    title: str,
    *,
    rows: int = ROWS,
    columns: int = COLUMNS,
    seed: int = 0,
) -> Figure:
    """Figure 5: images with their predicted and true classes; green ✓ is right, red ✗ is wrong.

    The images are a random sample, not a selection: right and wrong ones stand as they come.

    Args:
        predictions: of one cell.
        images: of the split that was judged.
        names: of the classes, by class id.
        title: of the figure.
        rows: of the grid, at most.
        columns: of the grid.
        seed: of the sample.
    """
    chosen = drawn_at_random(predictions, rows * columns, seed)
    wanted = len(chosen)
    place = {image_id: index for index, image_id in enumerate(images.image_ids)}
    rows = -(-wanted // columns)
    with style():
        figure = Figure(figsize=(1.75 * columns, 2.1 * rows + 0.7))
        all_axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axes in all_axes[wanted:]:
            axes.set_visible(False)
        for axes, row in zip(all_axes, chosen, strict=False):
            encoded = images.read(place[predictions.image_ids[row]])
            with Image.open(io.BytesIO(encoded.encoded)) as image:
                axes.imshow(np.asarray(image.convert("RGB")))
            label, best = predictions.labels[row], predictions.best[row]
            _frame(axes, names.get(label, label), names.get(best, best), right=label == best)
        share = predictions.correct().mean()
        figure.suptitle(
            f"{title}\n{wanted} of {len(predictions.image_ids)} images, drawn at random; "
            f"{share:.1%} of all are right"
        )
    return figure


def _frame(axes: Axes, label: str, best: str, *, right: bool) -> None:
    colour = RIGHT if right else WRONG
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=3)
    lines = [f"{'✓' if right else '✗'} {shortened(best, 20)}"]
    lines.append("" if right else f"true: {shortened(label, 18)}")
    axes.set_title(
        "\n".join(lines), color=colour, size=8, weight="normal", loc="left", linespacing=1.3
    )
