"""The digest of code: what a script reaches and can change its result, and no more."""

import shutil
from pathlib import Path

import pytest

from nicheclip.runtime import code_digest
from nicheclip.runtime.known_code import KnownCode

ROOT = Path(__file__).parents[2]


@pytest.fixture
def library(tmp_path, monkeypatch):
    package = tmp_path / "nicheclip"
    for room in ("room", "config", "runtime"):
        (package / room).mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "a": "from nicheclip import b",
        "b": "def f():\n    import nicheclip.room.c",
        "other": "",
        "room/__init__": "",
        "room/c": "import os",
        "room/kind": "",
        "config/__init__": "",
        "config/d": "import nicheclip.other",
        "runtime/__init__": "",
        "runtime/locks": "import nicheclip.other",
        "runtime/files": "",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(code_digest, "SOURCE", tmp_path)
    known = KnownCode(str(shutil.copy(code_digest.__file__, tmp_path)))
    monkeypatch.setattr(code_digest, "_known", lambda: known)
    forget()
    script = tmp_path / "script.py"
    script.write_text(
        "from nicheclip.a import thing\nfrom nicheclip.config.d import D\n"
        "from nicheclip.runtime import files, locks\n"
    )
    yield package, script
    forget()


def forget():
    code_digest._imports.cache_clear()
    code_digest._content.cache_clear()
    code_digest._text.cache_clear()
    code_digest._modules.cache_clear()
    code_digest.code_digest.cache_clear()


def digest(script, *chosen):
    forget()
    return code_digest.code_digest(script, *chosen)


def test_the_digest_covers_what_a_script_reaches_and_no_more(library):
    package, script = library
    names = {p.relative_to(package).as_posix() for p in code_digest.reachable_modules(script)}
    assert names == {
        "__init__.py",
        "a.py",
        "b.py",
        "room/__init__.py",
        "room/c.py",
        "runtime/files.py",
    }
    before = digest(script)
    for unused in ("other.py", "room/kind.py", "config/d.py", "runtime/locks.py"):
        (package / unused).write_text("x = 1")
        assert digest(script) == before, unused
    for used in ("room/c.py", "runtime/files.py"):
        (package / used).write_text("import sys")
        assert digest(script) != before, used
        before = digest(script)
    script.write_text(script.read_text() + "changed = True\n")
    assert digest(script) != before


def test_prose_and_layout_leave_the_digest_alone(library):
    package, script = library
    module = package / "room/c.py"
    module.write_text("class A:\n    x = 1\n\n\ndef f():\n    return 2\n")
    before = digest(script)
    module.write_text(
        '"""Words."""\n\nclass A:\n    """More."""\n\n    x = 1\n    """Of the attribute."""\n\n'
        'def f():\n    """And more."""\n    # a comment\n    return (2)\n'
    )
    assert digest(script) == before
    module.write_text(module.read_text().replace("(2)", '"2"'))
    assert digest(script) != before


def test_a_module_that_is_chosen_by_name_counts(library):
    package, script = library
    before = digest(script, "nicheclip.room.kind")
    assert before != digest(script)
    (package / "room/kind.py").write_text("x = 1")
    assert digest(script, "nicheclip.room.kind") != before
    with pytest.raises(ValueError, match=r"no module is called nicheclip\.room\.nothing"):
        digest(script, "nicheclip.room.nothing")


def test_the_names_of_text_sets_count_though_they_are_config():
    """They are paths of files that one job writes and another reads."""
    reached = code_digest.reachable_modules(ROOT / "scripts/judge.py")
    assert ROOT / "src/nicheclip/config/text_sets.py" in reached
    assert ROOT / "src/nicheclip/config/evaluation.py" not in reached


def test_imports_for_type_checkers_are_not_followed(library):
    package, script = library
    (package / "room/c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nicheclip.other\n"
    )
    names = {p.name for p in code_digest.reachable_modules(script)}
    assert "other.py" not in names


def test_no_script_of_data_or_tables_reaches_the_training_code():
    for name in (
        "acquire_part.py",
        "curate_dataset.py",
        "write_shard.py",
        "flatten_taxonomy.py",
    ):
        reached = {p.parent.name for p in code_digest.reachable_modules(ROOT / "scripts" / name)}
        assert not reached & {"training", "evaluation", "reporting"}, name
