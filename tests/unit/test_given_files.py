"""What the config names and no job makes: given splits, workbooks, names of no file."""

import copy
from pathlib import Path

import pytest
from planned_config import CONFIG

from nicheclip.config.workflow import parse_config
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ({"kind": "folder", "path": "x", "split_folders": True}, "split_folders: true"),
        (
            {"kind": "folder", "path": "x", "split_folders": "below_class"},
            "split_folders: below_class",
        ),
        ({"kind": "table", "path": "birds.csv"}, "the column 'split' of "),
        ({"kind": "table", "path": "b.csv", "columns": {"split": "set"}}, "the column 'set' of "),
        ({"kind": "registry", "name": "dtd"}, "the entry's splits train, val, test"),
        ({"kind": "hub", "repository": "a/b", "files": {"train": "x", "test": "y"}}, "train, test"),
        ({"kind": "webdataset", "files": {"train": "x*.tar"}}, "files: train"),
        (
            {
                "kind": "archive",
                "urls": ["file:///x.zip"],
                "reader": {"kind": "class_folders", "split_folders": True},
            },
            r"reader\.split_folders: true",
        ),
    ],
)
def test_a_given_split_is_not_drawn_anew_unless_asked(tmp_path, monkeypatch, source, given):
    monkeypatch.chdir(tmp_path)
    Path("birds.csv").write_text("path,label, split\n")
    Path("b.csv").write_text("path;label;set\n")
    source = source | ({"delimiter": ";"} if source.get("path") == "b.csv" else {})

    def check(**more):
        config = parse_config({"datasets": {"d": {"source": source, **more}}})
        check_files(Plan(config, REGISTRY))

    for split in ({}, {"split": {"val": 0.1, "test": 0.2}}):
        with pytest.raises(
            InputError, match=rf"datasets\.d\.split: .*{given}.*method: given to keep.*stratified"
        ):
            check(**split)
    for method in ("given", "hash", "stratified"):
        check(split={"method": method})


def test_a_given_split_of_a_workbook_is_not_drawn_anew_unless_asked(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("images").append(["path", "label", "split "])
    book.save(tmp_path / "b.xlsx")
    table = {"kind": "table", "path": str(tmp_path / "b.xlsx")}
    check_files(Plan(parse_config({"datasets": {"d": {"source": table}}}), REGISTRY))
    table["sheet"] = "images"
    with pytest.raises(InputError, match="the column 'split' of "):
        check_files(Plan(parse_config({"datasets": {"d": {"source": table}}}), REGISTRY))


def test_a_source_that_names_no_split_needs_no_method(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("birds.csv").write_text("path,label\n")
    sources = {
        "a": {"source": {"kind": "table", "path": "birds.csv"}},
        "b": {"source": {"kind": "registry", "name": "eurosat"}},
        "c": {"source": {"kind": "folder", "path": "x", "split_folders": False}},
    }
    check_files(Plan(parse_config({"datasets": sources}), REGISTRY))


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("datasets", {"source": {"kind": "table", "path": "x" * 5000}}),
        ("datasets", {"source": {"kind": "registry", "name": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "replay", "path": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "template", "grammar": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "replay", "path": "a\0b"}}),
    ],
)
def test_a_name_that_no_file_can_have_stops_the_workflow(tmp_path, section, entry):
    (tmp_path / "birds.csv").touch()
    config = copy.deepcopy(CONFIG)
    config["datasets"]["birds"]["source"]["path"] = str(tmp_path / "birds.csv")
    config[section] = {"bad": entry, **config[section]}
    with pytest.raises(InputError, match=r"too long|null (byte|character)"):
        check_files(Plan(parse_config(config), REGISTRY))
