"""The report's section on captions: what each gate took, and some captions beside their images."""

import html
from collections.abc import Sequence

import numpy as np

from nicheclip.evaluation.bootstrap import Interval, mean_interval
from nicheclip.plan.page_request import CaptionPart, SourcesPart
from nicheclip.reporting.caption_gallery import SHOWN, gallery
from nicheclip.reporting.caption_measures import (
    BY_CLIP,
    SCORES,
    gate_rows,
    score_ranks,
    spaces_by_clip,
)
from nicheclip.reporting.ranks import FEWEST_ROWS
from nicheclip.reporting.table_html import whole

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
        f"</summary>{gallery(part)}</details>"
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
