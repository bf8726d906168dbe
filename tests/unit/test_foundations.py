"""Files, tables, paths, manifests, seeds, progress."""

import errno
import hashlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from full_disk import full_disk
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import atomic_path, read_json, write_json, write_parquet, writing
from nicheclip.runtime.manifest import Dropped, ManifestWriter, Tally
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import generator, stable_hash, unit_interval
from nicheclip.schemas import FOLDS, read_table


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
        "a\0b": "null (byte|character)",
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


def test_progress_passes_items_on_and_writes_lines_into_a_log(capsys, monkeypatch):
    monkeypatch.setattr("nicheclip.runtime.progress.SECONDS_TO_FIRST_LINE", 0.0)
    monkeypatch.setattr("nicheclip.runtime.progress.SECONDS_BETWEEN_LINES", 0.0)
    assert list(progress(range(3), label="shards")) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[0].startswith("shards:  33%") and "3/3" in lines[-1]


def test_short_work_is_silent(capsys):
    list(progress(range(3), label="shards"))
    assert capsys.readouterr().err == ""
