"""Files, manifest, code digest, progress, job frame, rooms, environments."""

import ast
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from full_disk import full_disk
from nicheclip.runtime import code_digest
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path, read_json, write_json, write_parquet, writing
from nicheclip.runtime.known_code import KnownCode
from nicheclip.runtime.locks import LockedError, lock
from nicheclip.runtime.manifest import Dropped, ManifestWriter, Tally
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import generator, stable_hash, unit_interval
from nicheclip.schemas import FOLDS, read_table
from workflow_rules import workflow_rules

ROOT = Path(__file__).parents[2]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert read_json(tmp_path / "a.json") == {"old": 1}


def table(path):
    write_parquet(path, pa.table({"text": [str(unit_interval("row", i)) for i in range(50_000)]}))


@pytest.mark.parametrize("write", [lambda path: write_json(path, "x" * 100_000), table])
def test_a_full_disk_is_called_so_and_the_old_file_stays(tmp_path, write):
    (tmp_path / "a").write_text("old")
    words = "/a: cannot be written, the disk is full .* MB free.* run the same command again"
    with pytest.raises(InputError, match=words), full_disk():
        write(tmp_path / "a")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


def test_what_stands_in_the_way_of_a_file_is_named(tmp_path):
    (tmp_path / "results").touch()
    (tmp_path / "a.json").mkdir()
    for path in (tmp_path / "results/a.json", tmp_path / "results/models/a.json"):
        with pytest.raises(InputError, match=rf"{path}: cannot be written .* move away what"):
            write_json(path, {})
    with pytest.raises(InputError, match=r"a\.json: cannot be written \(IsADirectoryError"):
        write_json(tmp_path / "a.json", {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "results"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "a"), RuntimeError("I/O error: none left (os error 122)")]
)
def test_errors_of_a_full_disk_are_known_by_their_number(tmp_path, error):
    with pytest.raises(InputError, match="the disk is full"), writing(tmp_path / "no/folder/a"):
        raise error


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"final": {"loss": float("nan")}}, "final.loss is nan"),
        ({"rows": [1.0, float("-inf")]}, r"rows\[1\] is -inf"),
        (float("inf"), "its value is inf"),
    ],
)
def test_json_holds_no_number_that_json_does_not_know(tmp_path, value, words):
    with pytest.raises(InputError, match=rf"a.json: not written, since {words}; expected a finite"):
        write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())


def test_what_a_library_raises_while_it_reads_becomes_one_error():
    long = "\x1b[1mno\x1b[0m\n  line " * 100
    with pytest.raises(InputError) as raised, reading("a.bin", "weights", "Make it again."):
        raise KeyError(long)
    message = str(raised.value)
    assert message.startswith("a.bin: expected weights; it cannot be read (KeyError: ")
    assert message.endswith(" ...). Make it again.") and len(message) < 400
    assert "\x1b" not in message and "\n" not in message
    with pytest.raises(InputError, match=r"^ours$"), reading("a.bin", "weights", "Make it again."):
        raise InputError("ours")


def test_atomic_files_obey_the_umask(tmp_path):
    (tmp_path / "plain").touch()
    write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_columns_that_a_schema_does_not_have_are_ignored(tmp_path):
    columns = {"image_id": ["a"], "new": [1.5], "fold": [0], "shots": [5]}
    schema = pa.schema(
        [FOLDS.field("image_id"), ("new", pa.float64()), FOLDS.field("fold"), FOLDS.field("shots")]
    )
    write_parquet(tmp_path / "t.parquet", pa.table(columns, schema=schema))
    assert read_table(tmp_path / "t.parquet", FOLDS).to_pydict() == {
        "shots": [5],
        "fold": [0],
        "image_id": ["a"],
    }


def test_a_flipped_byte_in_a_table_is_an_error_never_another_table(tmp_path):
    file, rows = tmp_path / "t.parquet", range(500)
    columns = {"shots": list(rows), "fold": list(rows), "image_id": [f"{i:016x}" for i in rows]}
    written = pa.table(columns, schema=FOLDS)
    write_parquet(file, written)
    whole, refused = file.read_bytes(), 0
    for place in range(0, len(whole), len(whole) // 150):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        try:
            assert read_table(file, FOLDS).equals(written)
        except InputError as error:
            assert str(file) in str(error)
            refused += 1
    assert refused > 100


def test_a_table_of_another_schema_is_an_error(tmp_path):
    write_parquet(tmp_path / "t.parquet", pa.table({"shots": [1]}))
    with pytest.raises(InputError, match=r"t\.parquet: expected the column shots \(int32\), fold"):
        read_table(tmp_path / "t.parquet", FOLDS)


def test_a_path_is_expanded_or_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGES", str(tmp_path))
    assert expand_path("$IMAGES/fish") == tmp_path / "fish"
    assert expand_path("~") == Path.home()
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for path, reason in {
        "$NO_SUCH_VARIABLE/x": "this environment variable is not set",
        "$IMAGES/a/x": "levels of symbolic links",
        "x" * 5000: "File name too long",
        "a\0b": "null byte",
        "~no-such-user/x": "home directory",
    }.items():
        with pytest.raises(InputError, match=reason):
            expand_path(path)


def test_a_damaged_table_is_an_error(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(InputError, match=r"t\.parquet: no such file\. The workflow makes it"):
        read_table(path, FOLDS)
    rows = {"shots": range(9), "fold": range(9), "image_id": [f"image {i}" for i in range(9)]}
    write_parquet(path, pa.table(rows, schema=FOLDS))
    sound = path.read_bytes()
    table = read_table(path, FOLDS)
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 8]) + sound[place + 1 :])
        try:
            assert read_table(path, FOLDS) == table
        except InputError as error:
            assert "t.parquet: " in str(error)
    path.write_bytes(sound[:-9])
    with pytest.raises(
        InputError, match=r"not a readable Parquet file .* delete what stands there"
    ):
        read_table(path, FOLDS)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        read_table(path, FOLDS)


def test_a_manifest_hashes_outputs_and_counts_what_was_dropped(tmp_path):
    (tmp_path / "out").write_bytes(b"abc")
    dropped = [Dropped(key=f"k{i}", reason=r) for i, r in enumerate(["bad", "small", "bad"])]
    writer = ManifestWriter("acquire", config={"a": 1}, code="c0de")
    writer.write(
        tmp_path / "m.json",
        outputs=[tmp_path / "out"],
        counts={"images": 3},
        dropped=dropped,
        noted=Tally(Counter(grey=5000), [Dropped(key="k9", reason="grey")]),
    )
    manifest = read_json(tmp_path / "m.json")
    assert manifest["outputs"] == {"out": hashlib.sha256(b"abc").hexdigest()}
    assert manifest["dropped_counts"] == {"bad": 2, "small": 1}
    assert manifest["dropped"][1] == {"key": "k1", "reason": "small"}
    assert manifest["noted_counts"] == {"grey": 5000}
    assert manifest["noted"] == [{"key": "k9", "reason": "grey"}]
    assert manifest["packages"]["pyarrow"] == pa.__version__


def test_seeds_do_not_depend_on_the_process():
    assert stable_hash("a", 1) == int.from_bytes(hashlib.sha256(b"a\x1f1").digest()[:8], "big")
    assert generator("a", 1).integers(1 << 60) == generator("a", 1).integers(1 << 60)
    mean = sum(unit_interval("x", i) for i in range(4000)) / 4000
    assert mean == pytest.approx(0.5, abs=0.02)


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


def test_progress_passes_items_on_and_writes_lines_into_a_log(capsys, monkeypatch):
    monkeypatch.setattr("nicheclip.runtime.progress.SECONDS_TO_FIRST_LINE", 0.0)
    monkeypatch.setattr("nicheclip.runtime.progress.SECONDS_BETWEEN_LINES", 0.0)
    assert list(progress(range(3), label="shards")) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[0].startswith("shards:  33%") and "3/3" in lines[-1]


def test_short_work_is_silent(capsys):
    list(progress(range(3), label="shards"))
    assert capsys.readouterr().err == ""


def run_job(tmp_path, body):
    imports = (
        "from nicheclip.runtime.errors import InputError\nfrom nicheclip.runtime.job import job"
    )
    source = f"{imports}\n{textwrap.dedent(body)}"
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_shows_a_users_error_without_a_traceback(tmp_path):
    done = run_job(tmp_path, "with job('logs/x.log'):\n    raise InputError('row 3: no label')")
    assert done.returncode == 1
    assert done.stderr == "\nerror: row 3: no label\n" == (tmp_path / "logs/x.log").read_text()


def test_a_job_whose_log_meets_a_full_disk_says_so_on_the_terminal(tmp_path):
    done = run_job(
        tmp_path,
        """
        import resource
        from nicheclip.runtime.files import write_text
        with job('x.log'):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            write_text('a.txt', 'text')
        """,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("\nerror: a.txt: cannot be written, the disk is full (")
    assert done.stderr.count("\n") == 2


def test_a_job_shows_our_own_errors_with_the_place(tmp_path):
    done = run_job(tmp_path, "with job('x.log'):\n    1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in (tmp_path / "x.log").read_text()


def test_a_job_waits_for_a_process_that_still_does_it(tmp_path):
    held = lock(tmp_path / ".x.log.lock", wait=False)
    with pytest.raises(LockedError):
        lock(tmp_path / ".x.log.lock", wait=False)
    second = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from nicheclip.runtime.job import job\nwith job('x.log'): print('done')",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "waiting" in second.stderr.readline()
    os.close(held)
    assert second.communicate(timeout=60)[0] == "done\n"


def test_the_processes_of_one_job_share_its_log(tmp_path):
    body = (
        "import os, subprocess, sys\n"
        "with job('x.log'):\n"
        "    inner = \"with job('x.log', alone=False): raise SystemExit(7)\"\n"
        "    code = f'from nicheclip.runtime.job import job\\n{inner}'\n"
        "    print(subprocess.run([sys.executable, '-c', code]).returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"from nicheclip.runtime.job import job\n{body}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "7\n"


def packages(script):
    """Distributions that the modules behind a script import, as far as we require them."""
    names = {
        "PIL": "pillow",
        "open_clip": "open_clip_torch",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
        "lightning_fabric": "lightning-fabric",
    }
    found = set()
    for module in {script, *everything_behind(script)}:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    found -= {"snakemake"}  # scripts import it for type checkers alone
    return {names.get(name, name) for name in found} & set(required_packages())


def required_packages():
    """Name and range of every dependency of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = ("workflow", "openai", "gates")
    optional = [text for extra in extras for text in project["optional-dependencies"][extra]]
    return {re.split("[<>=]", text)[0]: text for text in [*project["dependencies"], *optional]}


def everything_behind(script):
    """The modules that a script may import, those that it finds by name included."""
    found, open_ends = set(), [script]
    while open_ends:
        module = open_ends.pop()
        if module in found:
            continue
        found.add(module)
        open_ends.extend(code_digest._imports(module))
        text = module.read_text()
        packages = (
            re.findall(r'"nicheclip\.([\w.]+?)\.?[{"]', text) if "import_module(" in text else []
        )
        for package in packages:
            open_ends.extend((ROOT / "src/nicheclip" / package.replace(".", "/")).glob("*.py"))
    return found - {script}


def test_what_is_found_by_name_is_behind_a_script():
    names = {path.name for path in everything_behind(ROOT / "scripts/ask_captions.py")}
    assert {"ollama.py", "openai.py", "job.py"} <= names
    names = {path.name for path in everything_behind(ROOT / "scripts/judge_captions.py")}
    assert {"template.py", "replay.py", "job.py"} <= names
    names = {path.name for path in everything_behind(ROOT / "scripts/judge.py")}
    assert {"zero_shot.py", "few_shot.py"} <= names and "loop.py" not in names


@pytest.mark.parametrize("rule", workflow_rules())
def test_a_rules_environment_has_what_its_script_imports(rule):
    script, environment = (workflow_rules()[rule][key] for key in ("script", "environment"))
    listed = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    ranges = {text for item in listed if isinstance(item, dict) for text in item["pip"]}
    required = required_packages()
    assert ranges <= set(required.values()), "ranges as in pyproject.toml"
    needed = packages(ROOT / "scripts" / script)
    assert {required[name] for name in needed} - ranges == set()
