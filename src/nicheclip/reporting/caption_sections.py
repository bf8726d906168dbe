"""The report's section on captions: what each gate took, and some captions beside their images."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nicheclip.captions.reasons import identifier
from nicheclip.captions.text_space import TextSpace, text_space
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.bootstrap import Interval, mean_interval
from nicheclip.evaluation.frame import read_cells
from nicheclip.plan.page_request import CaptionPart, SourcesPart
from nicheclip.reporting.ranks import FEWEST_ROWS, tau_of
from nicheclip.reporting.table_html import whole
from nicheclip.reporting.thumbnails import thumbnail
from nicheclip.runtime.files import read_json
from nicheclip.runtime.seeding import generator

#: captions that are shown of a source
SHOWN = 30
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
RESAMPLES, CONFIDENCE = 2000, 0.95

ABOUT_GATES = (
    "A text may fail several gates. Diversity: how unlike two texts of a class are by their words "
    "(0: equal). Separability: the share of texts whose words are nearest to their own class. In "
    "the row of a gate both are of what would be accepted without it. They need no model. By CLIP: "
    "the same from the text features of the model that is judged, of the texts that it is judged "
    "with; mean over its seeds with a 95 % interval."
)
ABOUT_RANKS = (
    "1: the score and zero-shot accuracy put the sources into the same order; 0: no relation; -1: "
    "the opposite order. The interval is over the seeds, not over the sources, so it says little "
    "about other sources."
)

STYLE = """
.bar{background:#0072b2;height:.8em;display:inline-block;min-width:1px;vertical-align:middle}
.bar.took{background:#c0392b}
.captions{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26em,100%),1fr));gap:1em}
.captions figure{display:flex;gap:.8em;margin:0;border-left:4px solid #009e73;padding-left:.6em}
.captions .rejected{border-color:#c0392b} .captions img{width:96px;height:96px;object-fit:contain}
.captions .none{width:96px;flex:none}
"""


def caption_sections(parts: Sequence[CaptionPart], sources: SourcesPart | None) -> str:
    """The section; empty where the config has no caption sets."""
    if not parts:
        return ""
    galleries = "\n".join(
        f"<details><summary>{html.escape(part.name)}: {SHOWN} captions, drawn at random"
        f"</summary>{_gallery(part)}</details>"
        for part in parts
    )
    return "\n".join(
        [
            '<h2 id="captions">Captions</h2>',
            _gates(parts, sources),
            _sources(sources),
            _scores(sources),
            galleries,
        ]
    )


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
    return _drawn(part, COMPARED, pl.lit(True))


def _drawn(part: CaptionPart, most: int, wanted: pl.Expr) -> pl.DataFrame:
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


def _gates(parts: Sequence[CaptionPart], sources: SourcesPart | None) -> str:
    lines, spaces = [], spaces_by_clip(sources)
    evaluations = {name: one for one, name in (sources.captions if sources else {}).items()}
    for row in gate_rows(parts):
        share = row.texts / row.of if row.of else 0.0
        kind = "bar" if row.gate == "accepted" else "bar took"
        cells = [row.source if row.gate == "accepted" else "", row.gate, f"{row.texts:,}"]
        figures = [_number(row.space.diversity), _number(row.space.separability)]
        gate = "" if row.gate == "accepted" else row.gate
        judged = evaluations.get(row.source, "")
        figures += [_over_seeds(spaces.get((judged, gate, name), ())) for name in BY_CLIP]
        lines.append(
            "<tr>"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + f'<td style="text-align:left"><span class="{kind}" style="width:{12 * share:.2f}em">'
            + f"</span> {share:.1%}</td>"
            + "".join(f"<td>{figure}</td>" for figure in figures)
            + "</tr>"
        )
    head = ["Source", "Verdict, or gate", "Texts", "Share of all", "Diversity", "Separability"]
    head += ["Diversity by CLIP", "Separability by CLIP"]
    return (
        '<div class="wide"><table><caption>What each gate took</caption><tr>'
        + "".join(f"<th>{one}</th>" for one in head)
        + f"</tr>{''.join(lines)}</table></div>"
        f'<p class="muted">{ABOUT_GATES}</p>'
    )


def _over_seeds(values: Sequence[float]) -> str:
    """Mean and interval, if there are two seeds or more."""
    if len(values) < 2:
        return _number(values[0] if values else None)
    interval = _interval(values)
    return whole(f"{np.mean(values):.3f} [{interval.low:.3f}, {interval.high:.3f}]")


def _interval(values: Sequence[float]) -> Interval:
    return mean_interval(
        np.asarray(values, float), resamples=RESAMPLES, confidence=CONFIDENCE, seed=0
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


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


def _sources(sources: SourcesPart | None) -> str:
    """How the texts of each source lie to each other for the model that is judged with them."""
    if sources is None:
        return ""
    spaces, lines = spaces_by_clip(sources), []
    for evaluation in sources.evaluations:
        found = [spaces.get((evaluation, "", name), ()) for name in (*BY_CLIP, "top1")]
        cells = [html.escape(evaluation), *map(_over_seeds, found), str(len(found[-1]))]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        '<div class="wide"><table><caption>Texts of each source by CLIP</caption>'
        "<tr><th>Source</th><th>Diversity by CLIP</th><th>Separability by CLIP</th>"
        "<th>Accuracy</th><th>Seeds</th>"
        f"</tr>{''.join(lines)}</table></div>"
    )


def _scores(sources: SourcesPart | None) -> str:
    """Does a better score go with a better model?"""
    if sources is None or len(sources.evaluations) < FEWEST_ROWS:
        return ""
    lines = []
    for name, taus in score_ranks(sources).items():
        if taus:
            interval = _interval(taus)
            lines.append(
                f"<tr><td>{SCORES[name]}</td><td>{np.mean(taus):+.2f}</td>"
                f"<td>[{interval.low:.2f}, {interval.high:.2f}]</td><td>{len(taus)}</td></tr>"
            )
    return (
        '<div class="wide"><table><caption>Does a better score go with a better model?</caption>'
        "<tr><th>Score</th><th>Kendall's tau, mean</th><th>95 % interval</th><th>Seeds</th></tr>"
        f"{''.join(lines)}</table></div>"
        '<p class="muted">Computed for each seed of the model over these sources of texts: '
        f"{html.escape(', '.join(sources.evaluations))}. {ABOUT_RANKS}</p>"
    )


def shown_captions(part: CaptionPart, most: int = SHOWN) -> list[dict[str, Any]]:
    """Rows drawn at random, half of them rejected ones where there are so many."""
    rejected = _drawn(part, most // 2, pl.col("verdict") == "rejected")
    accepted = _drawn(part, most - len(rejected), pl.col("verdict") == "accepted")
    return [*accepted.iter_rows(named=True), *rejected.iter_rows(named=True)]


def _gallery(part: CaptionPart) -> str:
    rows = shown_captions(part)
    pictures = _pictures(part, rows)
    figures = []
    for row, picture in zip(rows, pictures, strict=True):
        text = row["text"] or row["raw"]
        why = f'<br><span class="wrong">{html.escape("; ".join(row["reasons"]))}</span>'
        figures.append(
            f'<figure class="{row["verdict"]}">'
            + (f'<img src="{picture}" alt="">' if picture else '<div class="none"></div>')
            + f"<figcaption>{html.escape(text[:400])}<br>"
            + f'<span class="muted">{html.escape(row["class_id"])}</span>'
            + f"{why if row['reasons'] else ''}</figcaption></figure>"
        )
    return f'<div class="captions">{"".join(figures)}</div>'


def _pictures(part: CaptionPart, rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The image of each caption; of one of a class, any image of that class."""
    images = pl.scan_parquet(part.catalog).select("image_id", "class_id", "split")
    ids = [row["image_id"] for row in rows if row["image_id"]]
    classes = [row["class_id"] for row in rows if not row["image_id"]]
    few = (
        images.filter(pl.col("image_id").is_in(ids) | pl.col("class_id").is_in(classes))
        .collect()
        .sort("image_id")
    )
    place = dict(few.select("image_id", "split").iter_rows())
    of_class: dict[str, list[str]] = {}
    for image_id, class_id in few.select("image_id", "class_id").iter_rows():
        of_class.setdefault(class_id, []).append(image_id)
    draw = generator("captions", part.name, "images")
    chosen = []
    for row in rows:
        own = of_class.get(row["class_id"], [])
        chosen.append(row["image_id"] or (own[draw.integers(len(own))] if own else None))
    sets = {split: ImageSet(Path(part.images) / split) for split in set(place.values())}
    return [None if one is None else _thumbnail(sets[place[one]], one) for one in chosen]


def _thumbnail(images: ImageSet, image_id: str) -> str:
    return thumbnail(images.read(images.rows_of([image_id])[image_id]).encoded)
