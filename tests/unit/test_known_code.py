"""What was found out of source texts is kept, and never out of date."""

import pytest

from nicheclip.runtime import code_digest
from nicheclip.runtime.known_code import KnownCode, text_key


@pytest.fixture
def module(tmp_path):
    file = tmp_path / "functions.py"
    file.write_text("x = 1")
    return file


def kept_file(module):
    return next((module.parent / "__pycache__").glob("functions.*.json"))


def found(module, key="key", value="new"):
    """The value of a key, and what was found anew."""
    known, asked = KnownCode(str(module)), []
    value = known.get(key, lambda: asked.append(key) or value)
    known.keep()
    return value, asked


def test_what_was_found_once_is_known_to_the_next_process(module):
    assert found(module, value=["a", "b"]) == (["a", "b"], ["key"])
    assert found(module, value="another") == (["a", "b"], [])
    assert found(module, key="other") == ("new", ["other"])
    assert found(module) == (["a", "b"], [])


def test_other_code_of_the_functions_makes_it_void(module):
    found(module, value="old")
    module.write_text("x = 2")
    assert found(module) == ("new", ["key"])


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"made_by": "another", "values": {}}'])
def test_a_damaged_file_is_written_anew(module, damage):
    found(module, value="old")
    kept_file(module).write_text(damage)
    assert found(module) == ("new", ["key"])
    assert found(module) == ("new", [])


def test_a_folder_that_takes_no_files_does_no_harm(module):
    (module.parent / "__pycache__").write_text("a file")
    assert found(module) == ("new", ["key"])
    assert found(module) == ("new", ["key"])


def test_a_file_that_grew_too_long_begins_anew(module, monkeypatch):
    found(module, value="old")
    monkeypatch.setattr("nicheclip.runtime.known_code.MOST", 1)
    assert found(module) == ("new", ["key"])


def test_texts_are_told_apart_by_where_they_end():
    assert text_key("ab", "c") != text_key("a", "bc") != text_key("abc")
    assert text_key("ab", "c") == text_key(b"ab", b"c")


def test_the_digest_is_the_same_whether_known_or_not(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("from nicheclip.runtime import files\n")
    (tmp_path / "functions.py").write_text("")
    digests = []
    for _ in range(2):
        known = KnownCode(str(tmp_path / "functions.py"))
        monkeypatch.setattr(code_digest, "_known", lambda known=known: known)
        for one in ("_imports", "_content", "_text", "code_digest"):
            getattr(code_digest, one).cache_clear()
        digests.append(code_digest.code_digest(script))
    assert digests[0] == digests[1]
