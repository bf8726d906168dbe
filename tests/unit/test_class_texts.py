import pytest

from nicheclip.evaluation.class_texts import (
    caption_texts,
    read_templates,
    template_texts,
)
from nicheclip.runtime.errors import InputError
from small_evaluation import write_captions, write_texts


def test_templates_take_the_bare_name_as_it_is(tmp_path):
    (tmp_path / "t.yaml").write_text('templates: ["a {}.", "the {}!"]\n')
    templates = read_templates(tmp_path / "t.yaml")
    write_texts(tmp_path / "texts.parquet")
    texts = template_texts(tmp_path / "texts.parquet", "com", templates)
    assert texts["a"] == ["a Ant.", "the Ant!"]
    assert texts["c"] == ["a Cat_$1.", "the Cat_$1!"]
    assert template_texts(tmp_path / "texts.parquet", "sci", templates) == {}


@pytest.mark.parametrize(
    "content",
    ["templates: ['no place']", "templates: ['{} {}']", "templates: []", "[1]", "", "a: ["],
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
