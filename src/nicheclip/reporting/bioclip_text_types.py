"""BioCLIP: zero-shot accuracy by the text type of training and of testing."""

from collections.abc import Sequence

from nicheclip.reporting.bioclip_cells import (
    AMONG,
    COUNTS,
    GROUPS,
    OVER_SEEDS,
    TEXT_TYPES,
    RunCells,
    counts,
    group_accuracy,
    top1,
)
from nicheclip.reporting.over_seeds import over_seeds
from nicheclip.reporting.scale import Scale, marked
from nicheclip.reporting.table import Column, Content, Table


def text_types_table(runs: Sequence[RunCells], text_types: Sequence[str], *, scale: Scale) -> Table:
    """A row for each run, group of species and text type of the test.

    Args:
        runs: trained on mixed text types.
        text_types: of the test.
        scale: of the config.
    """
    rows: list[tuple[Content, ...]] = []
    for run in runs:
        for group, name in GROUPS.items():
            for text_type in text_types:
                accuracy = group_accuracy(run, text_type, group)
                if accuracy is None:
                    continue
                top5 = f"top5/{text_type}/{group}"
                rows.append(
                    (
                        run.label,
                        name,
                        TEXT_TYPES[text_type],
                        top1(run.trained, text_type, group),
                        over_seeds(run.trained, top5) if accuracy.top5 else None,
                        top1(run.untrained, text_type, group),
                        *counts(accuracy, len(run.trained)),
                    )
                )
    return Table(
        title=marked("BioCLIP: zero-shot accuracy by the text type of the test", scale),
        columns=(
            Column("model", "Model"),
            Column("species", "Species"),
            Column("text_type", "Tested with"),
            Column("top1", "Top-1", interval=True),
            Column("top5", "Top-5", interval=True),
            Column("before_training", "Top-1 before training", interval=True),
            *COUNTS,
        ),
        rows=tuple(rows),
        notes=(AMONG, OVER_SEEDS),
        constants=(("scale", scale),),
    )


def ablation_table(
    runs: Sequence[RunCells], text_types: Sequence[str], *, scale: Scale, group: str = "unseen"
) -> Table:
    """The text-type ablation: a row for each text type of training, a column for each of the test.

    Args:
        runs: labelled by the text type that they were trained on, or ``mixed``.
        text_types: of the test.
        scale: of the config.
        group: of the species that are judged.
    """
    rows: list[tuple[Content, ...]] = []
    for run in runs:
        first = group_accuracy(run, text_types[0], group)
        if first is not None:
            cells = [top1(run.trained, text_type, group) for text_type in text_types]
            rows.append((TEXT_TYPES[run.label], *cells, *counts(first, len(run.trained))))
    return Table(
        title=marked(f"BioCLIP: text-type ablation, top-1 accuracy on {group} species", scale),
        columns=(
            Column("trained_on", "Trained on"),
            *(Column(one, f"Tested with {TEXT_TYPES[one]}", interval=True) for one in text_types),
            *COUNTS,
        ),
        rows=tuple(rows),
        notes=(AMONG, OVER_SEEDS),
        constants=(("scale", scale),),
    )
