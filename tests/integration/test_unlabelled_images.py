"""`workflow/config/unlabelled.yaml` as a stranger uses it: a folder of photographs, no labels."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from nicheclip.models.classifier import read_classifier
from nicheclip.models.pseudo_labels import read_pseudo_labels
from nicheclip.models.signals import read_signals
from own_config import UNLABELLED, unlabelled_config
from workflow_run import planned_jobs, snakemake

pytestmark = pytest.mark.slow

COLOURS = {"red ant": (200, 40, 40), "green_bee": (40, 200, 40), "blue cat": (40, 40, 200)}


def draw(folder: Path, images: int = 12) -> None:
    """Coloured squares in a folder and one below it, a file that is no image, a broken one."""
    (folder / "more").mkdir(parents=True)
    for number in range(images):
        colour = list(COLOURS.values())[number % 3]
        noise = np.random.default_rng(number).integers(-30, 30, (40, 48, 3))
        pixels = np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)
        place = folder / "more" if number % 2 else folder
        Image.fromarray(pixels).save(place / f"IMG_{number:04d}.png")
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.jpg").write_bytes(b"no image")


def config(folder: Path, *, images="photographs", classes="classes.txt", more="") -> Path:
    """The config with its two marked lines changed, and FAIR shortened."""
    changed = unlabelled_config(folder / images, classes)
    short = "{kind: fair, epochs: 2, batch_size: 4, crops: 2, top_crops: 1}"
    changed = changed.replace("{kind: fair}", short).replace("texts: {templates: photo}", more)
    path = folder / "my.yaml"
    path.write_text(changed)
    return path


def test_the_config_is_short():
    assert len(UNLABELLED.splitlines()) <= 25


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlabelled")
    draw(folder / "photographs")
    (folder / "classes.txt").write_text("# insects\n\n" + "\n".join(COLOURS) + "\n")
    (folder / "texts.json").write_text(
        '{"Red Ant": ["red"], "green bee": ["green"], "blue-cat": []}'
    )
    more = f"texts: {{templates: photo, descriptions: {{file: {folder / 'texts.json'}}}}}"
    path = config(folder, classes=folder / "classes.txt", more=more)
    snakemake(folder, "--cores", 1, config=path)
    return folder


def test_a_stranger_gets_a_model_a_table_and_a_page(finished):
    model = finished / "results/models/adapted/fair/photos/seed0"
    classes = read_classifier(model / "classifier.safetensors")
    assert classes.class_names == ("blue cat", "green bee", "red ant")
    assert (model / "open_clip_config.json").is_file()
    table = pl.read_csv(finished / "results/answers/photos/fair/seed0/predictions.csv")
    names = [f"{'more/' if n % 2 else ''}IMG_{n:04d}.png" for n in range(12)]
    assert table["file"].to_list() == sorted(names)
    assert set(table["predicted"]) <= set(classes.class_names)
    found = pl.read_parquet(finished / "results/answers/photos/fair/seed0/predictions.parquet")
    assert found["file"].to_list() == table["file"].to_list()
    assert found["scores"].list.first().to_list() == pytest.approx(table["score"].to_list(), 1e-4)


def test_the_page_shows_every_picture_the_least_sure_first(finished):
    page = (finished / "results/answers/photos/fair.html").read_text()
    first, *classes = page.split('<h2 id="class-')
    assert first.count("<img") == first.count('class="unsure"') == 3  # a quarter of twelve
    assert sum(one.count("<img") for one in classes) == 12
    assert sum(one.count('class="unsure"') for one in classes) == 3
    assert len(classes) == page.count('href="#class-')
    assert len(classes) == 3 or "have no image" in first
    for one in [first, *classes]:
        sure = [int(n) for n in re.findall(r"<b>[^<]* (\d+)%</b>", one)]
        assert sure == sorted(sure)
    assert "<script" not in page and 'src="http' not in page
    assert "answers/photos/fair.html" in (finished / "results/report.html").read_text()


def test_nobody_judges_and_labels_are_nowhere(finished):
    assert not (finished / "results/evaluate").exists()
    jobs = planned_jobs(finished, "--forceall", config=finished / "my.yaml")
    assert "judge_adapted" not in jobs and jobs["show_answers"] == 1
    catalog = pl.read_parquet(finished / "results/acquire/photos/catalog.parquet")
    assert set(catalog["class_id"]) == {"(no label)"} and set(catalog["split"]) == {"train"}
    signals = read_signals(finished / "results/models/adapted/zero-shot/photos/seed0/signals.json")
    assert signals.zero_shot_agreement == 1
    labels = read_pseudo_labels(
        finished / "results/models/adapted/fair/photos/seed0/pseudo_labels.safetensors"
    )
    assert labels.labels.shape == (2, 12) and labels.labels.min() >= 0


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("nowhere.txt", r"datasets.photos.source.classes: .*nowhere.txt: no such file"),
        ("[ant]", r"one class \('ant'\); expected at least two"),
        ("[red ant, Red_Ant]", r"two classes are called 'red ant' and 'Red_Ant'"),
        ("[]", "no class; expected at least two"),
    ],
)
def test_wrong_class_lists_are_refused_before_anything_runs(tmp_path, classes, message):
    draw(tmp_path / "photographs", images=2)
    if classes.endswith(".txt"):
        classes = tmp_path / classes
    done = snakemake(tmp_path, "-n", config=config(tmp_path, classes=classes), check=False)
    assert done.returncode and re.search(message, done.stdout), done.stdout


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "photographs").mkdir()
    path = config(tmp_path, classes="[ant, bee]")
    done = snakemake(tmp_path, "--cores", 1, "acquire", config=path, check=False)
    assert done.returncode and "photos: 0 images are left" in done.stdout, done.stdout


def test_fewer_images_than_classes_is_said(tmp_path):
    draw(tmp_path / "photographs", images=2)
    path = config(tmp_path, classes="[ant, bee, cat]")
    snakemake(tmp_path, "--cores", 1, "acquire", config=path)
    manifest = (tmp_path / "results/acquire/photos/manifest.json").read_text()
    assert "2 images for 3 classes" in manifest
