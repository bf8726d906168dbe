"""Captions replayed from a file."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nicheclip.captions.backend import Request
from nicheclip.captions.replay import ReplayBackend
from nicheclip.runtime.errors import InputError

ROWS = [
    {"class_id": "cow", "text": "A cow."},
    {"class_id": "yak", "text": "A yak."},
    {"class_id": "cow", "text": "Another cow.\u2028Still the same line."},
    {"class_id": "gnu", "text": "A gnu."},
    {"class_id": "gnu", "text": "A second gnu."},
]


def json_lines(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n")
    return str(path)


def parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def texts(backend, class_id, image_id=None):
    return [
        backend.generate(Request(class_id, image_id, i, "", None, 0)).text
        for i in range(backend.available(class_id, image_id, 99))
    ]


@pytest.mark.parametrize(("write", "name"), [(json_lines, "a.jsonl"), (parquet, "a.parquet")])
def test_texts_come_in_the_order_of_the_file(tmp_path, write, name):
    backend = ReplayBackend(write(tmp_path / name, ROWS), "class", {"cow", "yak", "ox"})
    assert texts(backend, "cow") == [ROWS[0]["text"], ROWS[2]["text"]]
    assert texts(backend, "ox") == []
    assert backend.available("cow", None, 1) == 1
    assert [(d.key, d.reason) for d in backend.dropped] == [
        ("gnu", "replay: unknown class_id"),
        ("gnu", "replay: unknown class_id"),
    ]


def test_texts_of_images_and_their_done_reason(tmp_path, monkeypatch):
    rows = [{"image_id": "i1", "text": "A cow.", "done_reason": "length"}]
    json_lines(tmp_path / "a.jsonl", rows)
    monkeypatch.setenv("CAPTION_FOLDER", str(tmp_path))
    backend = ReplayBackend("$CAPTION_FOLDER/a.jsonl", "image", {"i1"})
    assert backend.available("cow", "i2", 5) == 0
    assert backend.generate(Request("cow", "i1", 0, "", None, 0)).done_reason == "length"


def test_texts_count_as_finished_unless_the_file_says_otherwise(tmp_path):
    backend = ReplayBackend(json_lines(tmp_path / "a.jsonl", ROWS), "class", {"cow"})
    assert backend.generate(Request("cow", None, 0, "", None, 0)).done_reason == "stop"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{not json}\n", r"a\.jsonl, line 1: not JSON"),
        ("[1]\n", r"a\.jsonl, line 1: expected an object"),
        ('{"class_id": "cow"}\n', r"a\.jsonl, row 0: 'text' must be a text, but is None"),
        ('{"class_id": 3, "text": "x"}\n', r"row 0: 'class_id' must be a text, but is 3"),
        (
            '{"class_id": "gnu", "text": "x"}\n',
            r"none of its 1 rows has a class_id",
        ),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        ReplayBackend(str(tmp_path / "a.jsonl"), "class", {"cow"})


def test_a_missing_file_or_column(tmp_path):
    with pytest.raises(InputError, match=r"b\.parquet: no such file"):
        ReplayBackend(str(tmp_path / "b.parquet"), "class", {"cow"})
    path = parquet(tmp_path / "c.parquet", [{"class_id": "cow", "caption": "x"}])
    with pytest.raises(InputError, match=r"no column 'text'; it has \['class_id', 'caption'\]"):
        ReplayBackend(path, "class", {"cow"})
    (tmp_path / "d.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match=r"d\.parquet: not a readable Parquet file"):
        ReplayBackend(str(tmp_path / "d.parquet"), "class", {"cow"})
