import numpy as np
import pytest

from nicheclip.evaluation import class_texts as module
from nicheclip.evaluation.class_texts import (
    caption_texts,
    class_embeddings,
    read_templates,
    template_texts,
)
from nicheclip.runtime.errors import InputError
from small_evaluation import write_captions, write_texts

VECTORS = {"x": [3.0, 4.0], "y": [1.0, 0.0], "z": [0.0, 2.0]}


def encode(texts):
    return np.asarray([VECTORS[text] for text in texts], dtype=np.float32)


def test_each_text_is_normalised_then_averaged_then_normalised_again():
    result = class_embeddings(["b", "a"], {"a": ["x", "y"], "b": ["z"], "other": ["x"]}, encode)
    assert result.class_ids == ["a", "b"]
    # x -> (.6, .8); with y the mean is (.8, .4), of length sqrt(.8); without the first step: (2, 2)
    expected = np.array([0.8, 0.4]) / np.sqrt(0.8)
    np.testing.assert_allclose(result.embeddings, [expected, [0, 1]], atol=1e-6)


def test_chunks_do_not_change_the_result(monkeypatch):
    texts = {"a": ["x", "y", "z"], "b": ["y", "z"]}
    whole = class_embeddings(["a", "b"], texts, encode).embeddings
    monkeypatch.setattr(module, "CHUNK", 2)
    np.testing.assert_array_equal(class_embeddings(["a", "b"], texts, encode).embeddings, whole)


def test_a_class_without_text_is_named():
    with pytest.raises(InputError, match=r"1 of 2 classes have none: b\."):
        class_embeddings(["a", "b"], {"a": ["x"], "b": []}, encode)


def test_templates_take_the_bare_name_as_it_is(tmp_path):
    (tmp_path / "t.yaml").write_text('templates: ["a {}.", "the {}!"]\n')
    templates = read_templates(tmp_path / "t.yaml")
    write_texts(tmp_path / "texts.parquet")
    texts = template_texts(tmp_path / "texts.parquet", "com", templates)
    assert texts["a"] == ["a Ant.", "the Ant!"]
    assert texts["c"] == ["a Cat_$1.", "the Cat_$1!"]
    assert template_texts(tmp_path / "texts.parquet", "sci", templates) == {}


@pytest.mark.parametrize(
    "content", ["templates: ['no place']", "templates: ['{} {}']", "templates: []", "[1]", ""]
)
def test_bad_templates_are_refused(tmp_path, content):
    path = tmp_path / "t.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"t\.yaml"):
        read_templates(path)


def test_captions_are_the_accepted_ones_of_the_split_each_once(tmp_path):
    path = tmp_path / "captions.parquet"
    write_captions(
        path,
        [
            ("a", "two", "accepted", "train"),
            ("a", "one", "accepted", "train"),
            ("a", "two", "accepted", "train"),
            ("a", "three", "accepted", "test"),
            ("a", "bad", "rejected", None),
            ("b", "four", "accepted", "test"),
        ],
    )
    assert caption_texts(path, "train") == {"a": ["one", "two"]}
    assert caption_texts(path, "all") == {"a": ["one", "three", "two"], "b": ["four"]}


def test_a_caption_for_every_split_serves_each_of_them(tmp_path):
    path = tmp_path / "captions.parquet"
    rows = [("a", "one", "accepted", "train"), ("b", "every", "accepted", "all")]
    write_captions(path, rows)
    assert caption_texts(path, "train") == {"a": ["one"], "b": ["every"]}
    assert caption_texts(path, "test") == {"b": ["every"]}
