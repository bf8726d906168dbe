"""Captions replayed from a file."""

import json
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from caption_tables import catalog_table, class_table
from nicheclip.captions import replay
from nicheclip.captions.backend import Request
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.replay import ReplayBackend
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize(("write", "name"), [(json_lines, "a.jsonl"), (parquet, "a.parquet")])
def test_texts_are_not_held_in_memory(tmp_path, monkeypatch, write, name):
    """Three times the texts of as many classes, in an order that goes back and forth."""
    peaks = []
    monkeypatch.setattr(replay, "ROWS_AT_ONCE", 50)
    for count in (400, 1200):
        rows = [{"class_id": f"c{n % 20}", "text": f"{n} " + "long " * 2000} for n in range(count)]
        path = write(tmp_path / name, rows)
        rows.clear()
        tracemalloc.start()
        backend = ReplayBackend(path, "class", {f"c{n}" for n in range(20)})
        for number in range(20):
            last = texts_at(backend, f"c{number}")
            assert last.startswith(f"{count - 20 + number} long ")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        held = count * 10_000
    assert peaks[1] < held / 4
    assert peaks[1] < peaks[0] + 1_000_000


def texts_at(backend, class_id):
    """The last text of a class."""
    last = backend.available(class_id, None, 10**6) - 1
    return backend.generate(Request(class_id, None, last, "", None, 0)).text


def test_a_text_that_is_not_utf8_is_named_by_its_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"class_id": "cow", "text": "A cow."}\n{"text": "\xff"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: not UTF-8 \(byte 0xff\)"):
        ReplayBackend(str(path), "class", {"cow"})


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


COW = '{"class_id": "cow", "text": "A cow."}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{not json}\n", r"line 1: not JSON .*Expected an object on each line"),
        (COW + "\n{not json}\n", r"line 3: not JSON"),
        ("[" * 100_000, r"line 1: not JSON \(too deeply nested\)"),
        (COW + "1" * 5000, r"line 2: not JSON \(Exceeds the limit"),
        ("[1]\n", r"line 1: expected an object"),
        (COW + '{"class_id": "cow"}\n', r"line 2: 'text' must be a text, but is None\."),
        ('{"class_id": 3, "text": "x"}\n', r"line 1: 'class_id' must be a text, but is 3\."),
        (
            '{"class_id": "cow", "text": ["%s"]}\n' % ("x" * 999),
            r"line 1: 'text' must be a text, but is \['x{78}\.$",
        ),
        (
            '{"class_id": "cow", "text": "x", "done_reason": {}}\n',
            r"line 1: 'done_reason' must be a text, but is {}\.",
        ),
        ('{"class_id": "gnu", "text": "x"}\n', r"none of its 1 rows has a class_id"),
        (COW.encode() + b'{"class_id": "cow", "text": "caf\xe9"}\n', r"line 2: not UTF-8 .*0xe9"),
        (COW.encode("utf-16"), r"line 1: not UTF-8 .*Save the file with the encoding UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"line 1: not UTF-8"),
        (b"\0" * 99, r"line 1: not JSON"),
        ("", r"none of its 0 rows"),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path, content, message):
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jsonl(, |: ){message}"):
        ReplayBackend(str(tmp_path / "a.jsonl"), "class", {"cow"})


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + COW.encode())
    assert texts(ReplayBackend(str(tmp_path / "a.jsonl"), "class", {"cow"}), "cow") == ["A cow."]


def test_halves_of_characters_are_replaced(tmp_path):
    rows = [
        {"class_id": "cow", "text": "A \ud83d cow."},
        {"class_id": "cow", "text": "A cow.", "done_reason": "\udc2e"},
        {"class_id": "\ud83d", "text": "A cow."},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    backend = ReplayBackend(str(tmp_path / "a.jsonl"), "class", {"cow"})
    assert texts(backend, "cow") == ["A \ufffd cow.", "A cow."]
    assert [dropped.key for dropped in backend.dropped] == ["\ufffd"]


def test_rows_of_a_table_are_numbered_from_1(tmp_path):
    path = parquet(tmp_path / "a.parquet", [ROWS[0], {"class_id": "cow", "text": None}])
    with pytest.raises(InputError, match=r"a\.parquet, row 2: 'text' must be a text, but is None"):
        ReplayBackend(path, "class", {"cow"})


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_damaged_table_never_ends_in_a_traceback(tmp_path, compression):
    """Flipped bits, cuts and overwritten blocks; with checksums no wrong text comes through."""
    path = tmp_path / "a.parquet"
    rows = [{"class_id": "cow", "text": f"Cöw {i} stands in the grass."} for i in range(300)]
    pq.write_table(
        pa.Table.from_pylist(rows), path, compression=compression, write_page_checksum=True
    )
    sound = path.read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(sound)
        place = chance.randrange(len(sound))
        match chance.choice(["flip", "cut", "block"]):
            case "flip":
                damaged[place] ^= 1 << chance.randrange(8)
            case "cut":
                del damaged[place:]
            case "block":
                damaged[place : place + 64] = chance.randbytes(64)
        path.write_bytes(damaged)
        try:
            backend = ReplayBackend(str(path), "class", {"cow"})
        except InputError as error:
            assert str(error).startswith(str(path))
            refused += 1
        else:
            assert texts(backend, "cow") == [row["text"] for row in rows][:99]
    assert refused > 150


def test_a_missing_file_or_column(tmp_path):
    for name in ("b.parquet", "b.jsonl"):
        with pytest.raises(InputError, match=rf"{name}: no such file"):
            ReplayBackend(str(tmp_path / name), "class", {"cow"})
        (tmp_path / "folder" / name).mkdir(parents=True)
        with pytest.raises(InputError, match=rf"{name}: (cannot be read|not a readable)"):
            ReplayBackend(str(tmp_path / "folder" / name), "class", {"cow"})
    with pytest.raises(InputError, match=r"x.*: not a usable path \(.*too long"):
        ReplayBackend(str(tmp_path / ("x" * 300)), "class", {"cow"})
    path = parquet(tmp_path / "c.parquet", [{"class_id": "cow", "caption": "x"}])
    with pytest.raises(InputError, match=r"no column 'text'; it has \['class_id', 'caption'\]"):
        ReplayBackend(path, "class", {"cow"})
    (tmp_path / "d.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match=r"d\.parquet: not a readable Parquet file"):
        ReplayBackend(str(tmp_path / "d.parquet"), "class", {"cow"})


MAPPING = {"Grey_Heron": ["A tall bird.", "A tall bird."], "coots": [""], "Grey heronn": ["x"]}


def test_a_mapping_of_names_is_read_as_it_is(tmp_path, caplog):
    path = tmp_path / "cupl.json"
    path.write_text(json.dumps(MAPPING))
    names = {"ardea": "grey heron", "fulica": "Eurasian coot"}
    backend = ReplayBackend(str(path), "class", set(names), names, {"fulica": "coots"})
    assert texts(backend, "ardea") == ["A tall bird."] * 2  # the gates count what is wrong
    assert texts(backend, "fulica") == [""]
    assert [(d.key, d.reason) for d in backend.dropped] == [
        ("Grey heronn", "replay: key of no class")
    ]
    assert "'Grey heronn' is no class; nearest: 'grey heron'" in caplog.text
    with pytest.raises(InputError, match=r"1 of 1 classes .* Nearest: 'coot': 'coots'\."):
        ReplayBackend(str(path), "class", {"f"}, {"f": "coot"})


def test_a_mapping_that_torch_has_saved(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(MAPPING, tmp_path / "gpt4.pt")
    backend = ReplayBackend(str(tmp_path / "gpt4.pt"), "class", {"a"}, {"a": "coots"})
    assert texts(backend, "a") == [""]
    (tmp_path / "bad.pt").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"bad\.pt: not a file of torch"):
        ReplayBackend(str(tmp_path / "bad.pt"), "class", {"a"}, {"a": "coots"})


def test_a_mapping_describes_no_images_and_a_table_has_no_keys(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(MAPPING))
    with pytest.raises(InputError, match="set `per: class`"):
        ReplayBackend(str(tmp_path / "a.json"), "image", {"i"})
    with pytest.raises(InputError, match=r"backend\.keys: .* has ids"):
        ReplayBackend(json_lines(tmp_path / "a.jsonl", ROWS), "class", {"cow"}, {}, {"cow": "x"})


def test_the_demos_replies_of_a_language_model(tmp_path):
    """The file that the registry brings, with the flaws that it came with."""
    demo = yaml.safe_load((ROOT / "config.yaml").read_text())["captions"]["fungi-smollm2"]
    names = {"spore": "spore", "hyphae": "hyphae", "mycelium": "mycelium"}
    made = make_caption_set(
        CaptionConfig.model_validate(demo),
        classes=class_table(names),
        catalog=catalog_table({}),
        replies=[],
        prompts=ROOT / "workflow/registry/prompts",
        seed=0,
        target=tmp_path / "captions.parquet",
    )
    assert made.counts == {
        "asked": 60,
        "generated": 60,
        "accepted": 38,
        "rejected_incomplete": 2,
        "rejected_too_long": 21,
        "rejected_too_many_tokens": 7,
        "rejected_too_short": 1,
    }
