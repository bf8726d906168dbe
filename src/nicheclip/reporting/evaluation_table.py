"""Everything that one evaluation judges, as a table: a row for each subject, seeds together."""

from collections.abc import Iterator, Sequence

import polars as pl

from nicheclip.evaluation.calibration import BINS
from nicheclip.evaluation.trained_images import NEAR, SAME
from nicheclip.plan.table_request import FACETS
from nicheclip.plan.words import Scale
from nicheclip.reporting.measure_index import SEED
from nicheclip.reporting.over_seeds import SeedMeasure, over_seeds
from nicheclip.reporting.table import Column, Content, Missing, Number, Table
from nicheclip.subjects import STATES

#: the measures of each protocol that the table shows; of other protocols all, with their name
SHOWN = {
    "zero_shot": ("top1", "top5", "macro"),
    "retrieval": ("recall_at_1",),
    "few_shot": ("top1",),
    "text_types": ("top1",),
    "open_set": ("top1", "macro", "harmonic_mean"),
    "calibration": (
        "ece",
        "ece_scaled",
        "nll",
        "nll_scaled",
        "temperature",
        "accuracy_at_50",
        "accuracy_at_80",
        "accuracy_at_90",
        "risk_over_coverage",
    ),
    "hierarchical": (
        "rank_accuracy_summed",
        "consistency",
        "ancestor_distance",
        "ancestor_distance_of_mistakes",
    ),
    "linear_probe": ("top1", "top5", "macro"),
    "knn": ("top1", "top5", "macro"),
    "colour_histogram": ("top1", "top5", "macro"),
}

#: protocols whose measures are also those of others, so that their labels say the protocol
NAMED = ("open_set", "linear_probe", "knn")

#: after the title
_MARKS: dict[Scale, str] = {"demo": " (demo scale)", "rehearsal": " (rehearsal)"}

#: what measures are called whose names do not say it
NAMES = {
    "ece": "calibration error (ECE)",
    "ece_scaled": "calibration error (ECE), with temperature",
    "nll": "negative log-likelihood",
    "nll_scaled": "negative log-likelihood, with temperature",
    "accuracy_at_50": "accuracy on the surest 50 %",
    "accuracy_at_80": "accuracy on the surest 80 %",
    "accuracy_at_90": "accuracy on the surest 90 %",
    "risk_over_coverage": "mean error over coverage",
    "harmonic_mean": "harmonic mean of seen and unseen",
    "consistency": "consistent answers over ranks",
    "ancestor_distance": "ranks to the common ancestor",
    "ancestor_distance_of_mistakes": "ranks to the common ancestor, mistakes alone",
}

#: sentences below the table, by protocol
NOTES = {
    "open_set": (
        "Open set: images of seen and of unseen classes are classified among all classes; the "
        "harmonic mean is of both macro accuracies. Intervals are over classes."
    ),
    "hierarchical": (
        "Rank accuracy summed: the probabilities of the classes of each taxon are added up, and "
        "the taxon with the most is the answer; intervals are over classes. Consistent: the taxon "
        "of each rank lies in that of the rank above. Ranks to the common ancestor: 0 is right, 1 "
        "another class of the same taxon above it."
    ),
    "calibration": (
        f"Calibration error: {BINS} bins of equal width over the probability of the answer; mean "
        "difference of accuracy and mean probability, weighted by images. Temperature: the logits "
        "are divided by it; fitted on the validation split to the lowest negative log-likelihood. "
        "Mean error over coverage: of the images answered, from the surest one to all of them. "
        "These have no interval over images: resampling would raise the calibration error."
    ),
}

_MEANING = (
    "Several seeds: mean ± standard deviation with Student's {level} interval of the mean; one: "
    "bootstrap {level} interval over images, or, by text type, over classes. Macro accuracy: the "
    "mean of the classes' accuracies. Majority: the accuracy of always answering with the most "
    "frequent class. n: images; of few-shot accuracy, support sets. By text type, an image is "
    "classified among the classes of its group."
)


def evaluation_table(evaluation: str, frame: pl.DataFrame, *, scale: Scale) -> Table:
    """One row for each subject, protocol and measure of ``evaluation``.

    Args:
        evaluation: its name.
        frame: of ``evaluation.frame.read_cells``: its cells; several data sets have a column.
        scale: of the config; the demo's tables say so.
    """
    rows = [row for _, cells in _subjects(frame) for row in _rows(cells)]
    order = {label: place for place, label in enumerate(dict.fromkeys(row[0] for row in rows))}
    rows.sort(key=lambda row: order[row[0]])
    columns = [
        Column("measure", "Measure"),
        Column("dataset", "Data set"),
        Column("model", "Model"),
        Column("state", "State"),
        Column("value", "Value", interval=True),
        Column("chance", "Chance"),
        Column("majority", "Majority"),
        Column("n", "n"),
        Column("classes", "Classes"),
        Column("seeds", "Seeds"),
    ]
    if frame["dataset"].n_unique() == 1:
        columns.pop(1)
        rows = [(row[0], *row[2:]) for row in rows]
    level = next(iter(frame["confidence"].drop_nulls().to_list()), 0.95)
    return Table(
        title=f"Evaluation {evaluation}" + _MARKS.get(scale, ""),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(
            _MEANING.format(level=f"{100 * level:g} %"),
            *(NOTES[one] for one in frame["protocol"].unique(maintain_order=True) if one in NOTES),
            *_what_trained(frame),
            *_where_predictions_are(frame),
        ),
        constants=(("evaluation", evaluation), ("scale", scale), ("confidence", f"{level:g}")),
    )


def _what_trained(frame: pl.DataFrame) -> list[str]:
    """A sentence for each model that was trained on images that it is judged on."""
    wanted = frame.filter(pl.col("measure").is_in((SAME, NEAR)) & (pl.col("value") > 0))
    keys = ["dataset", "split", "name", "measure"]
    found = wanted.unique(keys, maintain_order=True).sort(keys[:3], maintain_order=True)
    words = {SAME: "trained", NEAR: "are other versions of images that trained"}
    return [
        f"{name}: {value:.1%} of the {n} images of {dataset}/{split} {words[measure]}."
        for dataset, split, name, measure, value, n in found.select(*keys, "value", "n").rows()
    ]


def _where_predictions_are(frame: pl.DataFrame) -> list[str]:
    """A sentence, where a protocol writes predictions: few-shot does not."""
    judged = frame.filter(pl.col("protocol") != "few_shot")
    jobs = judged.select("dataset", "split", "evaluation").unique(maintain_order=True)
    adapted = frame["kind"].eq("adapted").all()
    folders = [
        f"results/evaluate/{dataset}/{split}/"
        + (f"adapted/{evaluation}/METHOD" if adapted else "KIND/MODEL")
        + f"/SEED/{evaluation}/"
        for dataset, split, evaluation in jobs.iter_rows()
    ]
    if not folders:
        return []
    return [f"The answer for each image, with file names: predictions.csv in {', '.join(folders)}."]


def _subjects(frame: pl.DataFrame) -> Iterator[tuple[object, pl.DataFrame]]:
    """The cells of each subject by each protocol, in the order of the frame."""
    keys = ["dataset", "protocol", "kind", "name"]
    return iter(frame.partition_by(keys, maintain_order=True, as_dict=True).items())


def _rows(cells: pl.DataFrame) -> list[tuple[Content, ...]]:
    """The rows of one subject by one protocol."""
    first = cells.row(0, named=True)
    of_cells = pl.col("class_id").is_null() & pl.col("bin").is_null()
    measures = cells.filter(of_cells, ~pl.col("measure").is_in((SAME, NEAR)))
    if shown := SHOWN.get(first["protocol"]):
        measures = measures.filter(pl.col("measure").is_in(shown))
    keys = ["measure", *FACETS]
    plain = first["protocol"] in SHOWN and first["protocol"] not in NAMED
    other = "" if plain else f", {first['protocol']}".replace("_", " ")
    majority = _majority(cells)
    rows = []
    for key, found in measures.partition_by(keys, maintain_order=True, as_dict=True).items():
        seeds = [SeedMeasure(*row) for row in found.select(SEED).iter_rows()]
        label = NAMES.get(key[0]) if first["protocol"] in SHOWN else None
        rows.append(
            (
                (label or _label(dict(zip(keys, key, strict=True)))) + other,
                first["dataset"],
                first["name"],
                STATES[first["kind"]],
                over_seeds(seeds),
                *_counts(seeds, majority if key[0] == "top1" else None),
            )
        )
    return rows


def _majority(cells: pl.DataFrame) -> float | None:
    """Of the images of a cell, where its protocol measures it."""
    shares = cells.filter(pl.col("measure") == "majority")["value"]
    return None if shares.is_empty() else float(shares[0])


def _counts(seeds: Sequence[SeedMeasure], majority: float | None) -> tuple[Content, ...]:
    first = seeds[0]
    classes = first.cell_classes if first.classes is None else first.classes
    return (
        Missing("not defined") if first.chance is None else Number(first.chance),
        Missing("not defined") if majority is None else Number(majority),
        Number(first.n, digits=0),
        Number(classes, digits=0),
        Number(len(seeds), digits=0),
    )


def _label(key: dict[str, object]) -> str:
    """Such as `5-shot accuracy`, `top-1, sci, unseen new genus`, `Recall@1 by class`."""
    if key["shots"] is not None:
        return f"{key['shots']}-shot accuracy"
    name = str(key["measure"])
    if name == "recall_at_1":
        return f"Recall@1 by {key['by']}"
    if name == "macro":
        return "macro accuracy" + (f", {key['group']}" if key["group"] else "")
    if name.startswith("top"):
        name = f"top-{name.removeprefix('top')}"
    facets = [str(key[facet]).replace("_", " ") for facet in FACETS if key[facet] is not None]
    if not facets:
        return f"{name} accuracy" if name.startswith("top-") else name.replace("_", " ")
    # text types keep their own names
    if key["text_type"] is not None:
        facets[0] = str(key["text_type"])
    return ", ".join([name, *facets])
