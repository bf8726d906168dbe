"""Class descriptions of others: which class a key means, and flaws that are counted."""

import json
import os
from pathlib import Path

import pytest

from nicheclip.data.description_files import LARGEST, Flaws, cleaned, read_descriptions
from nicheclip.runtime.errors import InputError

NAMES = {"ardea": "Grey heron", "fulica": "Eurasian coot"}
GIVEN = {"grey_heron": ["a tall bird"], "Eurasian-Coot": ["black"]}
DATA = os.environ.get("NICHECLIP_REAL_DATA")


def written(folder: Path, content) -> Path:
    path = folder / "descriptions.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_key_is_a_class_but_for_upper_case_underscores_and_hyphens(tmp_path):
    found, flaws = read_descriptions(written(tmp_path, GIVEN), NAMES, {})
    assert found == {"ardea": ["a tall bird"], "fulica": ["black"]}
    assert flaws == Flaws()


def test_a_key_may_be_the_class_id_or_what_the_config_says(tmp_path):
    path = written(tmp_path, {"Ardea": ["by id"], "coots": ["by key"], "other": []})
    found, flaws = read_descriptions(path, NAMES, {"fulica": "coots"})
    assert found == {"ardea": ["by id"], "fulica": ["by key"]}
    assert flaws == Flaws(unused_keys=1)


def test_flaws_are_repaired_and_counted():
    texts = ["\n\nA heron.", "A heron.", "", " ? ", "I'm sorry, I cannot say.", "As an AI model,"]
    assert cleaned(texts) == (["A heron."], Flaws(trimmed=2, empty=2, refusals=2, repeated=1))
    assert cleaned(["I", "Sorrel has red leaves.", "no"])[0] == [
        "I",
        "Sorrel has red leaves.",
        "no",
    ]


def test_a_class_with_an_empty_list_is_counted(tmp_path, caplog):
    found, flaws = read_descriptions(written(tmp_path, GIVEN | {"grey_heron": [""]}), NAMES, {})
    assert found["ardea"] == []
    assert flaws == Flaws(empty=1, classes_without=1)
    assert "empty: 1, classes without: 1" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"descriptions\.json: not a JSON file"),
        ("[" * 100_000, r"descriptions\.json: not a JSON file"),
        ("[]", "expected a mapping of class names to lists of texts"),
        ({"grey heron": "tall", "eurasian coot": []}, "'grey heron': expected a list of texts"),
        ({"grey heron": [], "coot": []}, r"1 of 2 classes .* 'Eurasian coot'\. .* class: 'coot'"),
        (GIVEN | {"Grey Heron": []}, "the keys 'grey_heron' and 'Grey Heron' read the same"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_descriptions(written(tmp_path, content), NAMES, {})


def test_a_mapping_that_is_too_large_to_be_read_whole_is_refused(tmp_path):
    path = tmp_path / "descriptions.json"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)  # takes no disk
    with pytest.raises(InputError, match=r"256 MiB\. A mapping .* Write its texts as a table"):
        read_descriptions(path, NAMES, {})


def test_one_key_for_two_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match="'grey_heron' is meant by several classes"):
        read_descriptions(written(tmp_path, GIVEN), NAMES, {"fulica": "grey_heron"})


@pytest.mark.skipif(not DATA, reason="NICHECLIP_REAL_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("file", "trimmed", "empty_classes"),
    [
        ("t-waffle/descriptors/descriptors_cars.json", 149, 14),
        ("t-waffle/descriptors/descriptors_food101.json", 0, 5),
        ("t-wca/prompts/cub/cupl.json", 43, 0),
        ("t-metaprompt/descriptions/gpt/EuroSAT.json", 502, 0),
    ],
)
def test_the_real_files_are_read_with_their_flaws(file, trimmed, empty_classes):
    path = Path(str(DATA)) / file
    content = json.loads(path.read_text())
    names = {f"class-{row}": key.upper().replace(" ", "_") for row, key in enumerate(content)}
    found, flaws = read_descriptions(path, names, {})
    assert (len(found), flaws.unused_keys) == (len(content), 0)
    assert flaws.classes_without == empty_classes
    assert flaws.trimmed >= trimmed * 0.9  # a text may be empty after trimming
    assert all(text == text.strip() and "\n" not in text for one in found.values() for text in one)
