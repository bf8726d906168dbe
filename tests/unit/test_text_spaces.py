"""Texts of classes by the features of a model: figures worked out by hand."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nicheclip.config.text_sets import CaptionSet
from nicheclip.evaluation import text_spaces
from nicheclip.evaluation.class_texts import refused_texts
from nicheclip.evaluation.feature_files import text_file
from nicheclip.evaluation.protocols.zero_shot import space_measures
from nicheclip.evaluation.text_sets import read_class_embeddings
from nicheclip.evaluation.text_spaces import ComparedTexts, Remembering
from nicheclip.models.features import ImageFeatures, TextFeatures
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CAPTIONS
from small_evaluation import encode_all, small_image_sets

#: what the model makes of each text
FEATURES = {
    "east": (1.0, 0.0),
    "up": (0.6, 0.8),
    "north": (0.0, 1.0),
    "north too": (0.0, 1.0),
    "west": (-1.0, 0.0),
}


class Encoder:
    logit_scale = 20.0

    def __init__(self):
        self.asked = []

    def images(self, images):
        return ImageFeatures(np.zeros((len(images), 2), np.float32), images.image_ids)

    def texts(self, texts):
        self.asked.append(list(texts))
        rows = np.array([FEATURES[text] for text in texts], np.float32)
        return TextFeatures(rows, np.zeros(len(texts), bool))


def spaces_of(accepted, refused, encoder):
    compared = ComparedTexts(accepted, refused)
    return compared.spaces(Remembering(encoder.texts, compared.texts))


def test_spaces_by_hand():
    accepted = {"a": ["east", "up"], "b": ["north", "north too"]}
    whole, without_gate = spaces_of(accepted, {"junk": [("a", "west")]}, Encoder())
    # the cosines within the classes are 0.6 and 1
    assert (whole.gate, whole.texts) == ("", 4)
    assert whole.diversity == pytest.approx(1 - (0.6 + 1) / 2)
    # "up" has 0.6 with its own class's other text, 0.8 with the other class's
    assert whole.separability == pytest.approx(3 / 4)
    # with "west" the cosines within a are 0.6, -1 and -0.6: their mean is -1/3
    assert (without_gate.gate, without_gate.texts) == ("junk", 5)
    assert without_gate.diversity == pytest.approx(1 - (-1 / 3 + 1) / 2)


def test_texts_that_were_encoded_are_not_encoded_again():
    encoder = Encoder()
    encode = Remembering(encoder.texts, ["east", "up", "west"])
    encode(["east", "up", "north"])
    found = encode.features(["up", "west"])
    np.testing.assert_allclose(found, [(0.6, 0.8), (-1, 0)], rtol=1e-6)
    assert encoder.asked == [["east", "up", "north"], ["west"]]


def test_of_many_texts_some_are_compared(monkeypatch):
    monkeypatch.setattr(text_spaces, "COMPARED", 3)
    accepted = {"a": ["east", "up"], "b": ["north", "north too"]}
    first, again = ComparedTexts(accepted, {}), ComparedTexts(accepted, {})
    assert len(first.texts) == 3 and first.texts == again.texts


def test_single_texts_have_no_space():
    assert spaces_of({"a": ["east"], "b": ["north"]}, {}, Encoder()) == ()


def row(class_id, text, *reasons):
    verdict = "rejected" if reasons else "accepted"
    found = dict.fromkeys(CAPTIONS.names) | {"class_id": class_id, "text": text, "sample": 0}
    split = None if reasons else "all"
    return found | {"verdict": verdict, "reasons": list(reasons), "notes": [], "split": split}


def test_from_the_captions_to_the_measures(tmp_path):
    small_image_sets(tmp_path)
    rows = [
        *(row("a", text) for text in ("east", "up")),
        *(row("b", text) for text in ("north", "north too")),
        row("a", "west", "junk: west"),
        row("b", "east", "junk: east", "too_short: 1 words"),
        row("b", "", "empty: done_reason stop"),
    ]
    write_parquet(tmp_path / "captions.parquet", pa.Table.from_pylist(rows, schema=CAPTIONS))
    # "east" of b failed two gates, and the empty text is none
    assert refused_texts(tmp_path / "captions.parquet") == {"junk": [("a", "west")]}
    model = tmp_path / "seed0"
    model.mkdir()
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (model / name).write_text(name)
    pl.DataFrame().write_parquet(tmp_path / "texts.parquet")
    wanted, encoder = CaptionSet(captions="c", split="all"), Encoder()
    encode_all(tmp_path, "test", [wanted], lambda folder: encoder, {"seed0": model})
    found = read_class_embeddings(text_file(tmp_path / "features", "seed0", wanted.name))
    measures = {(one.name, one.facets.get("by")): one for one in space_measures(found)}
    assert measures["text_diversity", None].value == pytest.approx(0.2)
    assert measures["text_separability", None].value == pytest.approx(3 / 4)
    assert measures["text_diversity", "junk"].n == 5
    # of some of the classes nothing is known
    assert space_measures(found.among(["a"])) == []
