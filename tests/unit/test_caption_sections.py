"""Captions in the report: gates counted by hand, pictures, no text that runs as HTML; words."""

import math

import pyarrow as pa
import pytest

from nicheclip.captions.text_space import text_space
from nicheclip.evaluation.measures import CellMetrics, Cost, Measure, write_metrics
from nicheclip.plan.page_request import CaptionPart, SourcesPart
from nicheclip.reporting.caption_gallery import SHOWN, shown_captions
from nicheclip.reporting.caption_measures import gate_rows, score_ranks, spaces_by_clip
from nicheclip.reporting.caption_sections import caption_sections
from nicheclip.runtime.files import write_json, write_parquet
from nicheclip.schemas import CAPTIONS
from nicheclip.subjects import Subject
from small_evaluation import small_image_sets


def test_words_tell_how_texts_lie():
    # no two texts share a word: nothing is alike
    apart = text_space(["one two", "three four", "five six"], ["a", "a", "b"])
    assert apart.diversity == pytest.approx(1)
    # equal texts within each class, other words between them
    equal = text_space(["red cap", "red cap", "blue stem", "blue stem"], ["a", "a", "b", "b"])
    assert (equal.diversity, equal.separability) == (pytest.approx(0), 1)
    # classes that say the same cannot be told apart, but nothing is nearer than the own class
    assert text_space(["red cap"] * 4, ["a", "a", "b", "b"]).separability == 1
    mixed = text_space(["red cap", "blue stem", "red cap", "red cap"], ["a", "a", "b", "b"])
    # both texts of a: the first is nearest to b, the second to nothing (0 in both: equal)
    assert mixed.separability == pytest.approx(3 / 4)
    # "x y" and "x z": x is in both (log 2), y and z in one each (log 3)
    two = text_space(["x y", "x z"], ["a", "a"])
    cosine = math.log(2) ** 2 / (math.log(2) ** 2 + math.log(3) ** 2)
    assert two.diversity == pytest.approx(1 - cosine)
    assert two.separability is None
    assert text_space([], []).diversity is None


def row(class_id, text, *reasons, image_id=None):
    verdict = "rejected" if reasons else "accepted"
    return {
        "class_id": class_id,
        "image_id": image_id,
        "sample": 0,
        "text": text,
        "raw": text,
        "verdict": verdict,
        "reasons": list(reasons),
    }


@pytest.fixture
def part(tmp_path):
    small_image_sets(tmp_path, train=3, test=7)
    rows = [
        *(row("a", f"Red cap number {number} <script>.") for number in range(40)),
        *(row("b", f"Blue stem {number}.", image_id=f"{number:016x}") for number in range(4, 7)),
        row("a", "Short.", "too_short: 1 words"),
        row("a", "Sorry?", "too_short: 1 words", "refusal: Sorry"),
    ]
    write_parquet(tmp_path / "captions.parquet", pa.Table.from_pylist(rows, schema=CAPTIONS))
    counts = {"asked": 45, "generated": 45, "accepted": 43}
    counts |= {"rejected_too_short": 2, "rejected_refusal": 1}
    write_json(tmp_path / "captions.json", {"counts": counts})
    return CaptionPart(
        name="<b>set</b>",
        captions=str(tmp_path / "captions.parquet"),
        manifest=str(tmp_path / "captions.json"),
        catalog=str(tmp_path / "catalog.parquet"),
        images=str(tmp_path),
    )


def test_what_each_gate_took(part):
    rows = list(gate_rows([part]))
    assert [(one.gate, one.texts, one.of) for one in rows] == [
        ("accepted", 43, 45),
        ("too_short", 2, 45),
        ("refusal", 1, 45),
    ]
    # "Short." alone comes back without the gate of length; the refusal failed two gates
    accepted, too_short, refusal = (one.space for one in rows)
    assert refusal == accepted
    assert too_short.diversity > accepted.diversity


def test_captions_beside_their_images(part):
    rows = shown_captions(part)
    assert len(rows) == SHOWN
    assert [one["verdict"] for one in rows] == ["accepted"] * 28 + ["rejected"] * 2
    assert rows == shown_captions(part)
    page = caption_sections([part], None)
    assert page.count("<figure") == SHOWN
    assert page.count("data:image/jpeg") == SHOWN
    assert "refusal: Sorry" in page
    assert "<script>" not in page
    assert "<b>set" not in page


def test_a_config_without_captions_has_no_section():
    assert caption_sections([], None) == ""


def cell(folder, evaluation, seed, accuracy, score, *more):
    path = folder / f"{evaluation}{seed}" / "metrics.json"
    measures = [
        Measure(name=name, value=value, n=1)
        for name, value in (("top1", accuracy), ("text_score", score), ("text_separation", 0.5))
    ]
    measures += more
    metrics = CellMetrics(
        subject=Subject(kind="trained", name="run", variant=f"seed{seed}"),
        evaluation=evaluation,
        dataset="d",
        split="test",
        protocol="zero_shot",
        n=1,
        classes=2,
        measures=measures,
        counts={},
        excluded=[],
        cost=Cost(wall_seconds=1, peak_memory_bytes=1, hardware="cpu"),
    )
    path.parent.mkdir()
    write_metrics(path, metrics)
    return str(path)


def test_whether_a_score_goes_with_accuracy(tmp_path, part):
    accuracies = {"x": 0.2, "y": 0.5, "z": 0.9}
    same, reverse = {"x": 0.1, "y": 0.2, "z": 0.3}, {"x": 0.3, "y": 0.2, "z": 0.1}
    paths = [
        cell(tmp_path, name, seed, accuracies[name], scores[name])
        for seed, scores in enumerate([same, reverse])
        for name in accuracies
    ]
    sources = SourcesPart(evaluations=list(accuracies), metrics=paths)
    # one seed in the same order, one in the reverse; a score that is equal everywhere says nothing
    none = {"text_separation": [], "text_diversity": [], "text_separability": []}
    assert score_ranks(sources) == {"text_score": [1.0, -1.0], **none}
    page = caption_sections([part], sources)
    assert "<td>+0.00</td><td>[-1.00, 1.00]</td><td>2</td>" in page


def test_the_gates_beside_what_the_model_sees(tmp_path, part):
    def measured(diversity, gate=None):
        facets = {"by": gate} if gate else {}
        return Measure(name="text_diversity", value=diversity, n=3, facets=facets)

    paths = [
        cell(tmp_path, "x", seed, 0.5, 0.1, measured(value), measured(value + 0.1, "too_short"))
        for seed, value in enumerate([0.2, 0.4])
    ]
    paths.append(cell(tmp_path, "names", 0, 0.5, 0.1, measured(0.9)))
    sources = SourcesPart(evaluations=["x", "names"], captions={"x": part.name}, metrics=paths)
    assert spaces_by_clip(sources) == {
        ("x", "", "text_diversity"): [0.2, 0.4],
        ("x", "too_short", "text_diversity"): pytest.approx([0.3, 0.5]),
        ("x", "", "top1"): [0.5, 0.5],
        ("names", "", "text_diversity"): [0.9],
        ("names", "", "top1"): [0.5],
    }
    page = caption_sections([part], sources)
    # the mean of two seeds, whose resampled means reach from one to the other
    page = page.replace("\xa0", " ")  # within a number and its interval
    assert page.count("<td>0.300 [0.200, 0.400]</td>") == 2  # of the set, and of the source
    assert page.count("<td>0.400 [0.300, 0.500]</td>") == 1
    assert "<tr><td>names</td><td>0.900</td><td></td><td>0.500</td><td>1</td></tr>" in page
    assert spaces_by_clip(None) == {}
