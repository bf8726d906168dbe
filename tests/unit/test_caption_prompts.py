"""Prompts with variables: what is filled from where, and what stops the workflow."""

import json
from pathlib import Path

import pytest

from nicheclip.captions.answers import EMPTY_LIST, NOT_JSON, captions_in, usable
from nicheclip.captions.backend import Reply
from nicheclip.captions.prompts import Prompt, answer_schema, load
from nicheclip.captions.targets import Questions
from nicheclip.captions.variables import read_values
from nicheclip.config.llm_backends import OllamaBackend
from nicheclip.runtime.errors import InputError

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"
NAMES = {
    class_id: {"class": name, "sci": name, "com": name, "taxon": name}
    for class_id, name in {"a": "ash", "b": "birch", "c": "cedar"}.items()
}
VARIABLES = """
kind: prompt
version: 1
variables:
  place: {of: dataset, about: a place}
  season: {of: dataset, type: choice, choices: [spring, autumn], about: a season, default: spring}
  height: {of: class, type: number, about: metres}
  marks: {of: class, type: list, about: marks, default: none}
prompt: "A {class} of {height} m with {marks} in {place} in {season}."
"""


def backend(prompt="p", **values):
    values = {"kind": "ollama", "model": "m", "prompt": prompt, **values}
    return OllamaBackend.model_validate(values)


def questions(folder, backend, names=NAMES):
    prompt, values = read_values(backend, folder)
    return Questions(prompt, values, names)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.yaml").write_text(VARIABLES)
    (tmp_path / "t.csv").write_text("class_id,height,marks\na,3.5,grey bark; keys;buds\nb,2,\n")
    return tmp_path


def test_variables_are_filled_from_the_config_and_the_table(folder):
    chosen = backend(variables={"place": "Kent"}, class_variables=str(folder / "t.csv"))
    asked = questions(folder, chosen)
    assert asked.of("a", 0) == "A ash of 3.5 m with grey bark, keys and buds in Kent in spring."
    assert asked.of("b", 7) == "A birch of 2 m with none in Kent in spring."
    with pytest.raises(InputError, match=r"t\.csv: no row with class_id 'c'"):
        asked.of("c", 0)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "place is not filled. Expected a place"),
        ({"place": ""}, "place is not filled"),
        ({"place": ["Kent"]}, "place: expected one value, not a list"),
        ({"place": "Kent", "season": "winter"}, "'winter' is none of spring, autumn"),
        (
            {"place": "Kent", "hight": 3},
            r"no variable 'hight' of the data set; it has place, season",
        ),
    ],
)
def test_what_the_config_does_not_fill_is_named(folder, variables, message):
    with pytest.raises(InputError, match=message):
        read_values(backend(variables=variables, class_variables=str(folder / "t.csv")), folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"class_variables: .* needs a CSV file with the columns class_id, height, marks"),
        ("height\n3\n", "no column 'class_id'; it has height"),
        ("class_id,marks\na,x\n", "no column 'height'"),
        ("class_id,height\na,\n", "line 2: height is not filled. Expected metres"),
        ("class_id,height\na,tall\n", "line 2: height: 'tall' is not a number"),
        ("class_id,height\na,nan\n", "'nan' is not a number"),
        ("class_id,height\na,1\na,2\n", "line 3: a second row of 'a'"),
    ],
)
def test_what_the_table_does_not_fill_is_named(folder, table, message):
    file = folder / "own.csv"
    if table is not None:
        file.write_text(table)
    chosen = backend(
        variables={"place": "Kent"}, class_variables=str(file) if table is not None else None
    )
    with pytest.raises(InputError, match=message):
        read_values(chosen, folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt: A {class} {x}", r"unknown slot \{x\}; valid: class, sci, com, taxon, rival"),
        ("variables: {x: {of: dataset, about: y}}\nprompt: A {class}", r"no question has .*x\}"),
        (
            "variables: {class: {of: dataset, about: y}}\nprompt: A {class}",
            "filled from the classes",
        ),
        ("variants: 2", "expected either prompt or prompts"),
        ("prompt: a\nprompts: [b]", "expected either prompt or prompts"),
        ("variables: {x: {of: dataset, type: choice, about: y}}\nprompt: A {x}", "choices belong"),
    ],
)
def test_a_wrong_prompt_file_is_named(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(f"kind: prompt\nversion: 1\n{text}\n")
    with pytest.raises(InputError, match=message):
        load(tmp_path, "p", Prompt)


def test_questions_take_turns_and_then_rivals_do(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "{kind: prompt, version: 1, prompts: ['{class}, not {rival}.', 'Only {class}.']}"
    )
    asked = questions(tmp_path, backend())
    assert [asked.of("b", sample) for sample in range(5)] == [
        "birch, not cedar.",
        "Only birch.",
        "birch, not ash.",
        "Only birch.",
        "birch, not cedar.",
    ]
    with pytest.raises(InputError, match="only one class"):
        questions(tmp_path, backend(), {"a": NAMES["a"]})


@pytest.mark.parametrize(
    "name", [p.stem for p in PROMPTS.glob("*.yaml") if "kind: prompt" in p.read_text()]
)
def test_the_registrys_prompts_can_be_filled(name):
    prompt = load(PROMPTS, name, Prompt)
    given = {n: v.about for n, v in prompt.variables.items() if v.of == "dataset"}
    asked = questions(PROMPTS, backend(name, variables=given))
    for sample in range(len(prompt.questions)):
        text = asked.of("a", sample)
        assert "ash" in text and not {"{", "}"} & set(text)
    assert prompt.variants == 1 or "JSON" in prompt.questions[0]


def test_several_captions_in_one_reply():
    text = json.dumps({"captions": ["One.", "Two \ud83d.", "Three."]})
    assert captions_in(text, 2) == (["One.", "Two \ufffd."], None)
    assert captions_in(text, 1) == ([text], None)
    schema = answer_schema(2)["properties"]["captions"]
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NOT_JSON),
        ("One. Two.", NOT_JSON),
        ('["One."]', NOT_JSON),
        ('{"texts": ["One."]}', NOT_JSON),
        ('{"captions": "One."}', NOT_JSON),
        ('{"captions": [1, 2]}', NOT_JSON),
        ('{"captions": [null]}', NOT_JSON),
        ("[" * 100_000, NOT_JSON),
        ('{"captions": []}', EMPTY_LIST),
    ],
)
def test_a_reply_of_another_form_holds_no_caption(text, reason):
    texts, why = captions_in(text, 2)
    assert texts == [] and why.startswith(reason)
    assert not usable(Reply(text, "stop", "m", "d", "", "{}"), 2)


def test_a_usable_reply_is_whole_and_not_empty():
    def reply(text, reason="stop"):
        return Reply(text, reason, "m", "d", "", "{}")

    assert usable(reply("One."), 1)
    assert not usable(reply(" "), 1)
    assert not usable(reply("One", "length"), 1)
