"""What the report measures of captions: gates, and how texts lie, by words and by CLIP."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from nicheclip.captions.reasons import identifier
from nicheclip.captions.text_space import TextSpace, text_space
from nicheclip.evaluation.frame import read_cells
from nicheclip.plan.page_request import CaptionPart, SourcesPart
from nicheclip.reporting.ranks import tau_of
from nicheclip.runtime.files import read_json
from nicheclip.runtime.seeding import generator

#: texts whose words are compared
COMPARED = 2000
#: what scores a source of texts without a test of the model
SCORES = {
    "text_score": "Text score",
    "text_separation": "Separation of classes",
    "text_diversity": "Diversity",
    "text_separability": "Separability",
}


BY_CLIP = ("text_diversity", "text_separability")


@dataclass(frozen=True)
class GateRow:
    """A source and one of its gates, or all captions that passed."""

    source: str
    gate: str
    texts: int
    """That it took; or that passed."""
    of: int
    """Texts of the source."""
    space: TextSpace
    """Of the accepted texts together with those that this gate alone took; or of the accepted."""


def gate_rows(parts: Sequence[CaptionPart]) -> Iterator[GateRow]:
    """For each source a row of what passed, then one for each gate that took something.

    Figures of words are of a sample where there are many texts.
    """
    for part in parts:
        counts = read_json(part.manifest)["counts"]
        texts = _sample(part)
        passed = texts.filter(pl.col("verdict") == "accepted")
        total = counts["generated"]
        yield GateRow(part.name, "accepted", counts["accepted"], total, _space(passed))
        took = Counter(
            {
                name.removeprefix("rejected_"): number
                for name, number in counts.items()
                if name.startswith("rejected_")
            }
        )
        for gate, number in took.most_common():
            alone = pl.Series(
                [{identifier(one) for one in reasons} == {gate} for reasons in texts["reasons"]],
                dtype=pl.Boolean,
            )
            with_its_own = texts.filter((pl.col("verdict") == "accepted") | alone)
            yield GateRow(part.name, gate, number, total, _space(with_its_own))


def _sample(part: CaptionPart) -> pl.DataFrame:
    """At most ``COMPARED`` rows of the file, drawn at random, in its order."""
    return drawn(part, COMPARED, pl.lit(True))


def drawn(part: CaptionPart, most: int, wanted: pl.Expr) -> pl.DataFrame:
    """At most so many of the ``wanted`` rows of the file, drawn at random, in its order."""
    table = pl.scan_parquet(part.captions).with_row_index("place")
    places = table.filter(wanted).select("place").collect()["place"].to_numpy()
    if len(places) > most:
        places = np.sort(generator("captions", part.name).choice(places, most, replace=False))
    columns = ["class_id", "image_id", "text", "raw", "verdict", "reasons"]
    chosen = table.filter(pl.col("place").is_in(pl.Series(places).implode()))
    return chosen.select(columns).collect()


def _space(rows: pl.DataFrame) -> TextSpace:
    texts = rows.filter(pl.col("text") != "")
    return text_space(texts["text"].to_list(), texts["class_id"].to_list())


#: evaluation, gate ("" for what passed), name of a measure
Spaces = Mapping[tuple[str, str, str], Sequence[float]]


def spaces_by_clip(sources: SourcesPart | None) -> Spaces:
    """What the model that judges ``sources`` gives for their texts, in each seed."""
    found: dict[tuple[str, str, str], list[float]] = {}
    if sources is None:
        return found
    frame = read_cells([Path(path) for path in sources.metrics])
    rows = frame.filter(pl.col("measure").is_in((*BY_CLIP, "top1"))).sort("variant")
    for evaluation, gate, name, value in rows.select(
        "evaluation", pl.col("by").fill_null(""), "measure", "value"
    ).iter_rows():
        found.setdefault((evaluation, gate, name), []).append(value)
    return found


def score_ranks(sources: SourcesPart) -> dict[str, list[float]]:
    """Kendall's tau between each of ``SCORES`` and accuracy over the sources, for each seed."""
    frame = read_cells([Path(path) for path in sources.metrics]).filter(pl.col("by").is_null())
    found: dict[str, list[float]] = {}
    for name in SCORES:
        for _, cells in frame.sort("variant").group_by("variant", maintain_order=True):
            values = {
                measure: dict(
                    cells.filter(pl.col("measure") == measure)
                    .select("evaluation", "value")
                    .iter_rows()
                )
                for measure in (name, "top1")
            }
            pairs = [(values[name][one], values["top1"][one]) for one in values[name]]
            value = tau_of(pairs)
            found.setdefault(name, []).extend([] if value is None else [value])
    return found
