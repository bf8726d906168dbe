"""What a user may do next, told from the numbers of a run."""

from collections.abc import Iterator, Mapping

import polars as pl

from nicheclip.plan.page_request import PagePlan
from nicheclip.runtime.files import read_json

#: with fewer test images an interval of top-1 is some ten points wide to each side
FEW_IMAGES = 100


def next_steps(plan: PagePlan, frames: Mapping[str, pl.DataFrame]) -> list[str]:
    """Sentences, the most pressing first.

    Args:
        plan: of the page.
        frames: the measures of each evaluation (``evaluation.frame.read_cells``).
    """
    steps = [note for one in plan.datasets for note in read_json(one.findings)]
    for evaluation, frame in frames.items():
        steps += _of_numbers(evaluation, frame)
    if plan.random_starts:
        steps.append(
            f"{', '.join(plan.random_starts)} started from random weights, which shows that the "
            "data can be read, not what CLIP can do. Start from a pretrained model: "
            "{architecture: ViT-B-32, pretrained: openai}, with a learning rate near 1.0e-5."
        )
    if plan.single_seeds:
        steps.append(
            f"{', '.join(plan.single_seeds)} trained with one seed. With seeds: [0, 1, 2] the "
            "tables show how far the numbers vary from run to run."
        )
    return list(dict.fromkeys(steps))


def _of_numbers(evaluation: str, frame: pl.DataFrame) -> Iterator[str]:
    for (dataset,), found in frame.partition_by(
        "dataset", as_dict=True, maintain_order=True
    ).items():
        where = evaluation if frame["dataset"].n_unique() == 1 else f"{evaluation} on {dataset}"
        judged = _top1(found)
        histogram = judged.filter(kind="baseline")
        for row in judged.filter(pl.col("kind") != "baseline").iter_rows(named=True):
            name = f"{row['name']} ({row['variant']})"
            chance, low = row["chance"], row["low"]
            if row["kind"] == "trained" and None not in (chance, low) and low <= chance:
                yield (
                    f"{where}: {name} cannot be told from chance ({row['value']:.3f}, chance "
                    f"{chance:.3f}). Train longer or on images like these, or look at the training "
                    "curves and the images."
                )
            elif row["kind"] == "trained" and len(histogram) and low is not None:
                colour = histogram["value"][0]
                if low <= colour:
                    yield (
                        f"{where}: {name} is not shown to be better than a colour histogram "
                        f"({row['value']:.3f} against {colour:.3f}): perhaps colour or background "
                        "alone gives the classes away, or the model has learnt little else."
                    )
        images = max((int(n) for n in judged["n"]), default=FEW_IMAGES)
        if images < FEW_IMAGES:
            yield (
                f"{where}: {images} images are judged, so the intervals are wide. More "
                "test images make them narrower."
            )


def _top1(frame: pl.DataFrame) -> pl.DataFrame:
    """Top-1 accuracy of zero-shot classification and of the colour histogram."""
    return frame.filter(
        (pl.col("measure") == "top1")
        & pl.col("protocol").is_in(["zero_shot", "colour_histogram"])
        & pl.col("class_id").is_null()
    )
