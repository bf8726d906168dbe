"""The command: light, with clear errors, exit codes that say what happened."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from nicheclip.cli.main import BAD_INPUT, main
from nicheclip.config.workflow import check_file, parse_config
from nicheclip.config.yaml_file import read_yaml
from small_evaluation import jpeg
from small_results import evaluated, small_results

ROOT = Path(__file__).parents[2]
#: what help must not wait for
HEAVY = ("torch", "torchvision", "open_clip", "polars", "pyarrow", "numpy", "scipy", "matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    small_results(folder)
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nicheclip", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


@pytest.mark.parametrize("part", ["init", "predict", "embed", "explain", "export", "cost"])
def test_help_imports_nothing_heavy(part):
    code = (
        "import sys; sys.argv = ['nicheclip', sys.argv[1], '--help']\n"
        "from nicheclip.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('heavy', *(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, part],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"nicheclip {part}" in done.stdout and done.stdout.endswith("heavy\n")


def test_predict_writes_what_the_evaluation_said(folder, run):
    model = folder / "results/models/trained/run/seed0"
    options = ("--templates", folder / "photo.yaml", "--batch-size", 4)
    code, out, err = run("predict", model, folder / "photos", *options)
    assert code == 0 and "9 images, 3 classes (the data set squares)" in err
    rows = list(csv.DictReader(io.StringIO(out)))
    expected = evaluated(folder)
    found = {Path(row["file"]).stem: row for row in rows}
    names = {"a": "Ant", "b": "Bee", "c": "Cat_$1"}
    for image_id, classes, scores in zip(
        expected.image_ids, expected.classes, expected.scores, strict=True
    ):
        assert found[image_id]["predicted"] == names[classes[0]]
        assert float(found[image_id]["score"]) == pytest.approx(scores[0], abs=1e-5)


def test_unreadable_images_are_listed_and_the_status_says_so(folder, run, tmp_path):
    model = folder / "results/models/trained/run/seed0"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/good.jpg").write_bytes(jpeg((9, 200, 9), 1))
    (tmp_path / "in/bad.jpg").write_bytes(b"x")
    page, output = tmp_path / "page.html", tmp_path / "out.json"
    code, out, err = run(
        "predict", model, tmp_path / "in", "--html", page, "--output", output, "--confidence", 0.9
    )
    assert (code, out) == (1, "")
    assert "1 of 2 images could not be read" in err and "bad.jpg: not an image" in err
    assert "bad.jpg" in output.read_text() and "bad.jpg" in page.read_text()
    code, _, err = run("embed", model, tmp_path / "in", "--output", tmp_path / "f.npy")
    assert code == 1 and "bad.jpg" in err and (tmp_path / "f.npy").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "nothing", "x.jpg"], "x.jpg: there is no such file or folder"),
        (["predict", "nothing", __file__, "--classes", "a", "--taxonomy", "b"], "give one of them"),
        (["predict", "nothing", __file__, "--output", "a.doc"], "expected .csv, .json or .txt"),
        (["cost", "none.yaml"], "none.yaml"),
        (["explain", "none.csv", "--row", "a", "--column", "b"], "none.csv: no such table"),
        (["export", "nothing"], "say --onnx FOLDER or --hub OWNER/NAME"),
        (["predict", "x" * 300, __file__], "not a usable path"),
        (["predict", "m", __file__, "--format", "csv", "--output", __file__], "would be replaced"),
        (["predict", "m", __file__, "--html", "a.csv", "--output", "a.csv"], "would be replaced"),
        (["predict", "m", __file__, "--html", __file__ + "/x"], "cannot be written"),
        (["predict", "m", __file__, "--output", "n" * 300 + ".csv"], "cannot be written"),
        (["predict", "m", __file__, "--format", "csv", "--output", ""], "is a folder"),
        (["cost", "n" * 300], "Correct the path or its permissions"),
    ],
)
def test_bad_input_ends_with_one_message(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (BAD_INPUT, "")
    assert message in err and "Traceback" not in err


def test_a_folder_where_a_file_stands(folder, run, tmp_path):
    (tmp_path / "there").write_text("")
    model = folder / "results/models/trained/run/seed0"
    for arguments in (["--hub", "a/b", "--dry-run", "--folder", tmp_path / "there"],
                      ["--hub", "../b", "--dry-run"]):  # fmt: skip
        code, _, err = run("export", model, *arguments)
        assert code == BAD_INPUT and ("there: File exists" in err or "OWNER/NAME" in err)


def test_cost_prints_a_row_for_each_entry(run):
    code, out, _ = run("cost", ROOT / "config.yaml", "--csv")
    assert code == 0 and "adaptation.fair,fair," in out


def test_init_writes_a_config_once(run, tmp_path, monkeypatch):
    monkeypatch.setattr("nicheclip.runtime.local_machine.gpus_here", lambda: 0)
    for number in range(8):
        file = tmp_path / f"My photos/{'ab'[number % 2]}/{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg((9, 200, 9), number))
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("init", "My photos")
    assert code == 0 and "8 images of 2 classes" in out
    assert "--configfile my-photos.yaml" in out
    check_file(Path("my-photos.yaml"))
    parse_config(read_yaml("my-photos.yaml"), [Path("my-photos.yaml")])
    code, _, err = run("init", "My photos")
    assert code == BAD_INPUT and "my-photos.yaml: is there" in err
    code, _, err = run("init", "My photos/a", "--name", "x")
    assert code == BAD_INPUT and "give it: --classes FILE" in err
    Path("classes.txt").write_text("ant\nbee\n")
    code, out, _ = run("init", "My photos/a", "--name", "x", "--classes", "classes.txt")
    assert code == 0 and "kind: unlabelled" in Path("x.yaml").read_text()


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "nicheclip", "--version"],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.2.0\n"
