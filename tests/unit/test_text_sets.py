import json

import numpy as np
import pytest

from nicheclip.config.evaluation import PROTOCOL_OPTIONS, CaptionTexts, EvaluationConfig
from nicheclip.config.text_sets import CaptionSet, GallerySet, TemplateSet, text_sets
from nicheclip.evaluation import text_sets as module
from nicheclip.evaluation.gallery import Gallery, GalleryItems
from nicheclip.evaluation.requests import evaluation_of
from nicheclip.evaluation.text_sets import (
    GalleryEmbeddings,
    encode_classes,
    read_class_embeddings,
    read_gallery_embeddings,
    write_class_embeddings,
    write_gallery_embeddings,
)
from nicheclip.models.features import TextFeatures, read_key
from nicheclip.runtime.errors import InputError

VECTORS = {"x": [3.0, 4.0], "y": [1.0, 0.0], "z": [0.0, 2.0]}


def encode(texts):
    features = np.asarray([VECTORS[text] for text in texts], dtype=np.float32)
    return TextFeatures(features, np.asarray([text == "x" for text in texts]))


def test_each_text_is_normalised_then_averaged_then_normalised_again():
    result = encode_classes({"b": ["z"], "a": ["x", "y"], "none": []}, encode, logit_scale=7.5)
    assert result.class_ids == ["a", "b"]
    # x -> (.6, .8); with y the mean is (.8, .4), of length sqrt(.8); without the first step: (2, 2)
    expected = np.array([0.8, 0.4]) / np.sqrt(0.8)
    np.testing.assert_allclose(result.embeddings, [expected, [0, 1]], atol=1e-6)
    assert result.texts.tolist() == [2, 1] and result.cut.tolist() == [1, 0]
    assert result.logit_scale == 7.5


def test_chunks_do_not_change_the_result(monkeypatch):
    texts = {"a": ["x", "y", "z"], "b": ["y", "z"]}
    whole = encode_classes(texts, encode, logit_scale=1.0)
    monkeypatch.setattr(module, "CHUNK", 2)
    parts = encode_classes(texts, encode, logit_scale=1.0)
    np.testing.assert_array_equal(parts.embeddings, whole.embeddings)
    np.testing.assert_array_equal(parts.cut, whole.cut)


def test_a_class_without_text_is_named_when_it_is_chosen():
    found = encode_classes({"a": ["x"], "b": [], "c": ["y"]}, encode, logit_scale=1.0)
    assert found.among(["c", "a"]) is found
    assert found.among(["c"]).class_ids == ["c"]
    np.testing.assert_array_equal(found.among(["c"]).embeddings, [[1, 0]])
    with pytest.raises(InputError, match=r"1 of 2 classes have none: b\."):
        found.among(["a", "b"])
    with pytest.raises(InputError, match="there is no class"):
        encode_classes({"b": []}, encode, logit_scale=1.0)


def test_files_round_trip_exactly(tmp_path):
    scale = 1 / 0.07
    found = encode_classes({"ä": ["x", "y"], "b": ["z"]}, encode, logit_scale=scale)
    write_class_embeddings(tmp_path / "classes.safetensors", found, "key of classes")
    back = read_class_embeddings(tmp_path / "classes.safetensors")
    assert back.class_ids == ["b", "ä"] and back.logit_scale == scale
    for name in ("embeddings", "texts", "cut"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert read_key(tmp_path / "classes.safetensors") == "key of classes"
    items = GalleryItems(
        Gallery(["a", "b"], ["one", "zwei ü"]), ["i", "j", "k"], np.array([1, 0, 1])
    )
    gallery = GalleryEmbeddings(items, np.eye(2, dtype=np.float32), 1, scale)
    write_gallery_embeddings(tmp_path / "gallery.safetensors", gallery, "key")
    again = read_gallery_embeddings(tmp_path / "gallery.safetensors")
    assert again.items.gallery == items.gallery and again.items.image_ids == items.image_ids
    assert again.items.labels == ["b", "a", "b"] and (again.cut, again.logit_scale) == (1, scale)
    np.testing.assert_array_equal(again.embeddings, gallery.embeddings)


def test_broken_files_are_named_and_have_no_key(tmp_path):
    path = tmp_path / "t.safetensors"
    assert read_key(path) is None
    with pytest.raises(InputError, match=r"t\.safetensors.*forcerun encode"):
        read_class_embeddings(path)
    found = encode_classes({"a": ["x"]}, encode, logit_scale=1.0)
    write_class_embeddings(path, found, "key")
    with pytest.raises(InputError, match="entries"):
        read_gallery_embeddings(path)
    path.write_bytes(path.read_bytes()[:-3])
    assert read_key(path) is None
    with pytest.raises(InputError, match=r"t\.safetensors"):
        read_class_embeddings(path)


CAPTIONS = CaptionTexts(kind="captions", captions="c", split="all")


@pytest.mark.parametrize(
    ("protocol", "options", "expected"),
    [
        ("zero_shot", {}, [TemplateSet(templates="photo", text_type="com")]),
        ("zero_shot", {"class_texts": CAPTIONS}, [CaptionSet(captions="c", split="all")]),
        ("retrieval", {}, [GallerySet()]),
        ("few_shot", {}, []),
        ("colour_histogram", {}, []),
        (
            "text_types",
            {"text_types": ["sci", "taxon"]},
            [TemplateSet(templates="photo", text_type=t) for t in ("sci", "taxon")],
        ),
    ],
)
def test_the_text_sets_of_each_protocol(protocol, options, expected):
    assert text_sets(protocol, EvaluationConfig(dataset="d", **options)) == expected


def test_names_of_text_sets():
    assert TemplateSet(templates="photo", text_type="sci_com").name == "templates.photo.sci_com"
    assert CaptionSet(captions="c.1", split="train").name == "captions.c.1.train"
    assert GallerySet().name == "gallery"


@pytest.mark.parametrize("protocol", PROTOCOL_OPTIONS)
def test_options_of_a_protocol_hold_what_it_uses_and_no_more(protocol):
    whole = EvaluationConfig(
        dataset="d",
        runs=["r"],
        protocols=["text_types"],
        classes="seen",
        seen_in="s",
        within={"genus": "Rosa"},
        shots=[7],
        bootstrap=123,
        interval="bca",
        probe={"solver": "adamw"},
    )
    options = json.loads(json.dumps(whole.options(protocol)))
    assert set(options) == set(PROTOCOL_OPTIONS[protocol])
    assert not {"runs", "protocols", "baseline", "dataset", "split"} & set(options)
    back = evaluation_of(options, dataset="d", split="test")
    assert back.options(protocol) == options
    other = whole.model_copy(update={"runs": None, "baseline": False, "protocols": ["zero_shot"]})
    assert other.options(protocol) == options


def test_seen_in_is_an_option_just_where_it_decides():
    whole = EvaluationConfig(dataset="d", seen_in="s", protocols=["text_types"])
    assert "seen_in" not in whole.options("zero_shot")
    assert whole.options("text_types")["seen_in"] == "s"
    unseen = whole.model_copy(update={"classes": "unseen", "baseline": False})
    assert unseen.options("few_shot")["seen_in"] == "s"
    options = unseen.options("few_shot")
    assert evaluation_of(options, dataset="d", split="val").classes == "unseen"
