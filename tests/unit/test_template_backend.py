"""The grammar: enumeration without repeats, fallbacks, errors that name file and key."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.captions.backend import Request
from nicheclip.captions.gates import Subject, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.prompts import Grammar, Prompt, load
from nicheclip.captions.template import TemplateBackend, permuted
from nicheclip.config.captions import GateConfig
from nicheclip.evaluation.class_texts import read_templates
from nicheclip.runtime.errors import InputError

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"

FUNGI = {"spore": "fungal spores", "hyphae": "fungal hyphae", "mycelium": "fungal mycelium"}


def named(*class_ids):
    return {c: dict.fromkeys(("class", "sci", "com", "taxon"), c) for c in class_ids}


def write(folder, **content):
    content = {"kind": "grammar", "version": 1} | content
    (folder / "g.yaml").write_text(yaml.safe_dump(content))
    return folder


def texts(backend, class_id, seed=0, count=10**6):
    return [
        backend.generate(Request(class_id, None, i, "", None, seed)).text
        for i in range(backend.available(class_id, None, count))
    ]


@pytest.fixture
def grammar(tmp_path):
    return write(
        tmp_path,
        patterns=["a {colour} {thing} on {ground}.", "one {thing}."],
        shared={"colour": ["red", "blue"], "ground": ["grass", "sand", "snow"], "thing": ["body"]},
        classes={"cow": {"thing": ["cow", "calf"]}},
    )


def test_all_combinations_come_once(grammar):
    backend = TemplateBackend(grammar, "g", named("cow", "yak"))
    # cow: 2 colours x 2 things x 3 grounds + 2; another class has the shared thing alone
    assert backend.combinations("cow") == 14
    assert backend.combinations("yak") == 7
    made = texts(backend, "cow")
    assert len(set(made)) == 14
    assert set(made) == {
        f"A {c} {t} on {g}."
        for c in ("red", "blue")
        for t in ("cow", "calf")
        for g in ("grass", "sand", "snow")
    } | {"One cow.", "One calf."}
    assert backend.available("yak", None, 20) == 7


def test_the_seed_fixes_the_order(grammar):
    def backend():
        return TemplateBackend(grammar, "g", named("cow"))

    assert texts(backend(), "cow", 1) == texts(backend(), "cow", 1)
    assert texts(backend(), "cow", 1) != texts(backend(), "cow", 2)


def test_class_names_fill_their_slots(tmp_path):
    folder = write(tmp_path, patterns=["a photo of {class}, {sci}."])
    names = {"c1": {"class": "red fox", "sci": "Vulpes vulpes", "com": "fox", "taxon": "x"}}
    assert texts(TemplateBackend(folder, "g", names), "c1") == [
        "A photo of red fox, Vulpes vulpes."
    ]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers())
def test_permuted_is_a_permutation(size, seed):
    assert sorted(permuted(i, size, (seed,)) for i in range(size)) == list(range(size))


def test_permuted_takes_spaces_that_no_table_could_hold():
    size = 10**30
    places = [permuted(i, size, ("big",)) for i in range(200)]
    assert len(set(places)) == 200
    # 200 draws of a uniform shuffle: mean within 5 standard errors of the middle
    assert abs(sum(places) / 200 / size - 0.5) < 5 * (1 / 12 / 200) ** 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"patterns": ["a {hue} thing."]}, r"nothing fills the slot \{hue\}"),
        (
            {"patterns": ["a thing."], "shared": {"hue": ["red"]}},
            r"no pattern has the slot \{hue\}",
        ),
        (
            {"patterns": ["{hue}."], "shared": {"hue": []}},
            r"shared\.hue: List should have",
        ),
        ({"patterns": []}, r"patterns: List should have at least"),
        ({"patterns": ["{class}."], "shared": {"class": ["x"]}}, r"rename the slot"),
        ({"patterns": ["x."], "colours": {}}, r"colours: Extra inputs"),
    ],
)
def test_a_wrong_grammar_names_file_and_key(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"(?s)g\.yaml.*{message}"):
        load(write(tmp_path, **content), "g", Grammar)


def test_a_class_without_fillers_names_file_and_key(tmp_path):
    folder = write(tmp_path, patterns=["a {hue} thing."], classes={"cow": {"hue": ["red"]}})
    with pytest.raises(InputError, match=r"g\.yaml: classes\.yak\.hue is missing"):
        TemplateBackend(folder, "g", named("cow", "yak"))


def test_a_missing_file_names_those_that_exist(grammar):
    with pytest.raises(InputError, match=r"h\.yaml: no such prompt file. There are: g\."):
        load(grammar, "h", Grammar)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version: 1\nversion: 2\n", r"g\.yaml, line 2: the key 'version' repeats that of line 1"),
        (b"kind: caf\xe9\n", r"g\.yaml, line 1: not UTF-8"),
        (b"kind: &k [*k]\n", r"g\.yaml, line 1: \*k stands inside"),
        (b"", r"g\.yaml: not a valid grammar file:\n  file: "),
        (b"- kind\n", r"g\.yaml: not a valid grammar file:\n  file: "),
    ],
)
def test_a_damaged_grammar_names_file_and_line(tmp_path, content, message):
    (tmp_path / "g.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(tmp_path, "g", Grammar)


def test_an_unknown_slot_of_a_prompt_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_text("{kind: prompt, version: 1, prompt: 'Describe {species}.'}")
    with pytest.raises(
        InputError, match=r"(?s)p\.yaml.*unknown slot \{species\}; valid: class, sci"
    ):
        load(tmp_path, "p", Prompt)


@pytest.mark.parametrize("name", ["fungi", "fungi-plain", "fungi-biology"])
def test_fungi_grammars_give_thousands_of_captions_that_pass_the_gates(name):
    backend = TemplateBackend(PROMPTS, name, named(*FUNGI))
    names = ClassNames({c: (c, called) for c, called in FUNGI.items()})
    gates = GateConfig(max_words=30, other_class="reject")
    for class_id in FUNGI:
        assert backend.combinations(class_id) >= 2000
        for text in texts(backend, class_id, count=70):
            judgement = judge(text, Subject(class_id, "", "stop"), names, gates)
            assert judgement.accepted, (text, judgement.reasons)
            assert "class_name_present" in judgement.notes, text


def test_every_file_of_the_registry_is_valid():
    kinds = {
        "grammar": lambda n: load(PROMPTS, n, Grammar),
        "prompt": lambda n: load(PROMPTS, n, Prompt),
    }
    kinds["templates"] = lambda n: read_templates(PROMPTS / f"{n}.yaml")
    for path in PROMPTS.glob("*.yaml"):
        kinds[yaml.safe_load(path.read_text())["kind"]](path.stem)
