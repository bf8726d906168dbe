import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_files import every

import nicheclip.data.sources.workbook as sources_workbook
from nicheclip.config.sources import TableSource
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.table import TableImages
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


@pytest.fixture
def folder(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.png"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def read(path, **options):
    items = every(TableImages(TableSource(kind="table", path=str(path), **options)))
    kept = [item for item in items if isinstance(item, SourceImage)]
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_all_columns_reach_the_image(folder):
    table = write(
        folder,
        "file,tag,split,licence,rights_holder,url,kingdom,genus,species,common\n"
        "1.jpg,Fly agaric,valid,CC BY 4.0,A. Finder,https://x/1,Fungi,Amanita,muscaria,fly agaric\n"
        "2.jpg,Fly agaric,train,,,,Fungi,Amanita,,\n",
    )
    (one, two), dropped = read(table, columns={"path": "file", "label": "tag"})
    assert dropped == {}
    assert one == SourceImage(
        "1.jpg",
        b"1.jpg",
        "Fly agaric",
        "val",
        "",
        {"kingdom": "Fungi", "genus": "Amanita", "species": "muscaria"},
        "fly agaric",
        "CC BY 4.0",
        "A. Finder",
        "https://x/1",
    )
    assert two.lineage == {"kingdom": "Fungi", "genus": "Amanita"}
    assert (two.licence, two.common) == (None, "")


def test_parquet_reads_like_csv(folder):
    frame = pl.DataFrame({"path": ["1.jpg", None, "3.png"], "label": ["a", "b", None]})
    frame.write_parquet(folder / "t.parquet")
    kept, dropped = read(folder / "t.parquet")
    assert [(image.key, image.label) for image in kept] == [("1.jpg", "a")]
    assert dropped == {"row 2": "empty path", "row 3: 3.png": "empty label"}


def test_bad_rows_are_dropped_with_their_number(folder):
    (folder / "x.txt").write_text("x")
    table = write(
        folder,
        b"path,label\n"
        b"1.jpg,a\n"
        b"none.jpg,a\n"
        b"2.jpg,\n"
        b",a\n"
        b"2.jpg,a,b\n"
        b"2.jpg,\xff\n"
        b"\n"
        b"x.txt,a\n"
        b'3.png,"two\nlines, one label"\n',
    )
    kept, dropped = read(table)
    assert [(image.key, image.label) for image in kept] == [
        ("1.jpg", "a"),
        ("3.png", "two lines, one label"),
    ]
    assert dropped == {
        "row 3: none.jpg": "no such file",
        "row 4: 2.jpg": "empty label",
        "row 5": "empty path",
        "row 6": "3 cells under 2 columns",
        "row 7": "not UTF-8: set 'encoding', for example cp1252",
        "row 9: x.txt": "not an image file",
    }


def test_formulas_are_text_and_a_byte_order_mark_is_no_part_of_the_header(folder):
    table = write(folder, "\ufeffpath,label\n1.jpg,=1+2\n2.jpg,@SUM(A1)\n")
    assert [image.label for image in read(table)[0]] == ["=1+2", "@SUM(A1)"]


def test_images_may_lie_elsewhere(folder, tmp_path_factory):
    table = write(tmp_path_factory.mktemp("tables"), "path,label\n1.jpg,a\n")
    assert read(table)[1] == {"row 2: 1.jpg": "no such file"}
    assert len(read(table, images=str(folder))[0]) == 1


def test_a_lone_column_called_class_or_order_is_no_rank(folder):
    table = write(folder, "path,label,class,order\n1.jpg,a,Insecta,Diptera\n")
    assert read(table)[0][0].lineage == {"class": "Insecta", "order": "Diptera"}
    table = write(folder, "path,class,order\n1.jpg,a,7\n")
    assert read(table, columns={"label": "class"})[0][0].lineage == {}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("path;label\n1.jpg;a\n", {}, "split by ';'.*Set delimiter"),
        ("path\tlabel\n1.jpg\ta\n", {}, r"split by '\\t'"),
        ("path,name\n1.jpg,a\n", {}, r"no column 'label' among \['path', 'name'\]"),
        ("path,label\n", {"columns": {"label": "tag"}}, "maps 'label' to 'tag'"),
        ("path,label,label\n", {}, "same name"),
        ("", {}, "no column 'path'"),
        ('path,label\n"1.jpg,a\n', {}, "not a well-formed CSV"),
        ("path,label,split\n1.jpg,a,some\n", {}, r"row 2: the split 'some'"),
    ],
    ids=["semicolon", "tab", "column", "mapping", "twice", "empty", "quote", "split"],
)
def test_malformed_tables_are_errors_that_say_what_to_do(folder, text, options, message):
    with pytest.raises(InputError, match=message):
        read(write(folder, text), **options)


def test_an_absent_or_false_table_is_an_error(folder):
    with pytest.raises(InputError, match="no such file"):
        read(folder / "none.csv")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read(write(folder, "path,label\n", name="t.parquet"))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "latin-1"])
def test_other_delimiters_and_encodings_are_read_where_the_config_says_so(
    folder, delimiter, encoding
):
    text = " path ,label, common\n1.jpg,Äsche,grayling\n2.jpg,Brème,bream\n"
    table = write(folder, text.replace(",", delimiter).encode(encoding))
    kept, dropped = read(table, delimiter=delimiter, encoding=encoding)
    assert [(image.label, image.common) for image in kept] == [
        ("Äsche", "grayling"),
        ("Brème", "bream"),
    ]
    assert dropped == {}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("path,label\n1.jpg,a\n".encode("utf-16"), {}, "Set encoding: utf-16"),
        ("path,läbel\n1.jpg,a\n".encode("latin-1"), {}, "header is not UTF-8. Set 'encoding'"),
        (b"PK\x03\x04" + bytes(range(256)), {}, "workbook of Excel.*Save it as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(range(256)), {}, "workbook of Excel.*Save it as CSV"),
        (b"path,label\n1.jpg,a\n", {"encoding": "utf-16"}, "not a text in utf-16.*Set 'encoding'"),
        (b"path,label\n1.jpg,a\n", {"delimiter": ";"}, "expected ';'. Set delimiter: \",\""),
        (b"path\tlabel\n1.jpg\ta\n", {}, r'Set delimiter: "\\t"'),
        (b"path,label,label \n", {}, "same name"),
    ],
)
def test_tables_of_another_kind_name_the_setting(folder, data, options, message):
    with pytest.raises(InputError, match=message) as raised:
        read(write(folder, data), **options)
    str(raised.value).encode()  # it can be printed


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "utf-99"},
        {"encoding": "hex"},
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"delimiter": '"'},
        {"sheet": "images"},
    ],
)
def test_settings_that_cannot_be_are_errors_of_the_config(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TableSource(kind="table", path="t.csv", **options)


def workbook(path, *sheets):
    """Sheets of (title, rows); the file at ``path``."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_of_a_workbook_is_read(folder):
    rows = [
        [],
        [" path ", "label", "licence"],
        ["1.jpg", "Brème", "CC0"],
        ["2.jpg", 7.0],
        [],
        ["3.png", "a", None, "beyond"],
        ["none.jpg", "a"],
    ]
    path = workbook(folder / "t.xlsx", ("notes", [["nothing"]]), ("images", rows))
    kept, dropped = read(path, sheet="images")
    assert [(image.key, image.label, image.licence) for image in kept] == [
        ("1.jpg", "Brème", "CC0"),
        ("2.jpg", "7", None),
    ]
    # rows have the numbers that the program shows
    assert dropped == {"row 6": "4 cells under 3 columns", "row 7: none.jpg": "no such file"}
    with pytest.raises(InputError, match=r"t\.xlsx: no column 'path' among \['nothing'\]"):
        read(path)
    with pytest.raises(InputError, match=r"no sheet 'Images'; it has 'notes', 'images'. Set 'she"):
        read(path, sheet="Images")


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_damaged_workbook_is_an_error(folder, kept):
    path = workbook(folder / "t.xlsx", ("images", [["path", "label"], ["1.jpg", "a"]]))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"t\.xlsx: expected a workbook .*as CSV"):
        read(path)


def test_a_workbook_that_is_too_large_unpacked_is_not_read(folder, monkeypatch):
    path = workbook(folder / "t.xlsx", ("images", [["path", "label"], ["1.jpg", "a"]]))
    monkeypatch.setattr(sources_workbook, "MOST_BYTES", 1 << 10)
    with pytest.raises(InputError, match="MiB when it is unpacked"):
        read(path)


def test_a_workbook_without_the_extra_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install 'nicheclip\[xlsx\]'. Or save it as CSV"):
        read(write(folder, b"PK", "t.xlsx"))


def not_utf8():
    """Two labels, of which the second is the byte ff."""
    places = np.array([0, 1, 2], np.int32).tobytes()
    return pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(places), pa.py_buffer(b"a\xff")]
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [("label", not_utf8()), ("licence", pa.array([2**31 - 1] * 2, pa.date32()))],
    ids=["text", "date"],
)
def test_values_of_parquet_that_nobody_can_read_are_an_error(folder, column, values):
    columns = {"path": ["1.jpg", "2.jpg"], "label": ["a", "b"], column: values}
    pq.write_table(pa.table(columns), folder / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: not a readable Parquet file \("):
        read(folder / "t.parquet")


def test_columns_of_parquet_that_differ_in_white_space_alone_are_an_error(folder):
    table = pa.table([["1.jpg"], ["a"], ["b"]], names=["path", "label", " label"])
    pq.write_table(table, folder / "t.parquet")
    with pytest.raises(InputError, match=r"two columns of the header .* the same name"):
        read(folder / "t.parquet")


def test_not_a_number_is_no_class_and_whole_numbers_have_no_fraction(folder):
    frame = pl.DataFrame(
        {
            " path": ["1.jpg", "2.jpg", "3.png"],
            "label": [7.0, float("nan"), 0.5],
            "genus": ["A"] * 3,
        }
    )
    frame.write_parquet(folder / "t.parquet")
    kept, dropped = read(folder / "t.parquet")
    assert [image.label for image in kept] == ["7", "0.5"]
    assert dropped == {"row 2: 2.jpg": "empty label"}


def test_labels_lose_what_nobody_sees(folder):
    table = write(folder, "path,label,common\n1.jpg,Ro\x07se\u200b,a\x1bb\n2.jpg,\x01,x\n")
    kept, dropped = read(table)
    assert [(image.label, image.common) for image in kept] == [("Rose", "ab")]
    assert dropped == {"row 3: 2.jpg": "empty label"}


def test_paths_of_5000_letters_and_links_in_a_circle_are_no_files(folder):
    (folder / "x.jpg").symlink_to(folder / "x.jpg")
    table = write(
        folder, f"path,label\n{'y/' * 2500}.jpg,a\n{'z' * 5000}.jpg,a\nx.jpg,a\n1.jpg,a\n"
    )
    kept, dropped = read(table)
    assert len(kept) == 1
    assert list(dropped.values()) == ["no such file"] * 3
    assert max(map(len, dropped)) < 250
    with pytest.raises(InputError, match="not a usable path"):
        read("z" * 5000)


def test_a_table_without_permission_is_an_error(folder, monkeypatch):
    table = write(folder, "path,label\n1.jpg,a\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(table), "open", refuse)
    with pytest.raises(InputError, match=r"t\.csv: cannot be read \(Permission denied\)"):
        read(table)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_clear_error(tmp_path_factory, data):
    table = write(tmp_path_factory.mktemp("any"), b"path,label\n" + data)
    try:
        kept, _ = read(table)
    except InputError:
        return
    assert kept == []
