"""Zero-shot validation after every epoch: its figure, its set, and what may not judge by it."""

import copy
import csv
import dataclasses
import io

import open_clip
import pytest
import torch
import yaml
from PIL import Image

from image_sets import write_class_texts
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.training import ValidationConfig
from nicheclip.config.workflow import parse_config
from nicheclip.engine.objective import Epoch
from nicheclip.engine.processes import join_processes
from nicheclip.models.openclip import load
from nicheclip.plan.plan import Plan
from nicheclip.plan.training_inputs import validated
from nicheclip.runtime.errors import InputError
from nicheclip.training.run import DataSetFiles, TrainingRun, train
from nicheclip.training.zero_shot import ZeroShotSet
from small_tables import REGISTRY
from small_training import NAMES, data_of, start_model, texts_of, training_config, write_squares

OTHER = {"dataset": "other"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Images that train, and two other sets with images to validate on."""
    folder = tmp_path_factory.mktemp("world")
    write_squares(folder / "squares", train=20, val=0)
    write_squares(folder / "other", train=3, val=12)
    write_squares(folder / "two", train=3, val=2)  # a red and a green one, and no blue one
    start_model(folder)
    return folder


def trained(world, output, *, epochs=1, other="other", **validation):
    """Zero-shot accuracies by epoch of a run that is validated on another set."""
    run = TrainingRun(
        config=training_config(
            recipe={"kind": "contrastive"}, epochs=epochs, validation=OTHER | validation
        ),
        start=world / "start",
        seed=0,
        output=output / "model",
        validation=DataSetFiles(images=world / other, **texts_of(world / other)),
        **texts_of(world / "squares"),
    )
    train(run, images=world / "squares", run_folder=output / "run")
    rows = csv.DictReader(io.StringIO((output / "model/history.csv").read_text()))
    return [row["zero_shot_accuracy"] for row in rows]


def by_open_clip(folder, split, text):
    """The accuracy of the model in ``folder`` among all classes, by open_clip's own functions."""
    clip = load(folder)
    view = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**clip.model.visual.preprocess_cfg), is_train=False
    )
    rows = range(len(split))
    images = [Image.open(io.BytesIO(one.encoded)) for one in split.images.read_many(rows)]
    with torch.no_grad():
        tokens = clip.tokenizer([text.format(NAMES[one]) for one in "abc"])
        prototypes = clip.model.encode_text(tokens, normalize=True)
        features = clip.model.encode_image(torch.stack([*map(view, images)]), normalize=True)
    found = (features @ prototypes.T).argmax(dim=1)
    return float((found == torch.tensor(split.labels.numbers())).double().mean())


@pytest.mark.parametrize(("text_type", "text"), [("com", "a photo of {}."), ("sci", "a {}.")])
def test_the_figure_is_that_of_open_clip(world, tmp_path, text_type, text):
    judged = data_of(world / "other").pairs("val")
    found = trained(world, tmp_path, epochs=2, text_type=text_type)
    assert len(found) == 2
    assert float(found[-1]) == by_open_clip(tmp_path / "model", judged, text)


def test_a_class_without_images_there_can_be_chosen(world):
    """Features are the mean colour. Red, green and blue have their texts at (.8, .6, 0), at green
    and at red: the red image goes to the blue class, which has no image, the green one to its own.
    """
    places = {"Red": (0.8, 0.6, 0.0), "Green": (0.0, 1.0, 0.0), "Blue": (1.0, 0.0, 0.0)}

    def tokenizer(texts):
        return torch.tensor([places[text.split()[3]] for text in texts])

    def forward(batch):
        colours = batch["images"].float().mean(dim=(2, 3))
        return {"images": colours, "texts": batch["tokens"]}

    clip = dataclasses.replace(load(world / "start"), tokenizer=tokenizer)
    epoch = Epoch(0, 1, join_processes(ComputeConfig(), "32-true"), forward, 0)
    judged = ZeroShotSet.of(ValidationConfig(), data_of(world / "two"))
    assert sorted(judged.split.labels.class_ids) == ["a", "b"]
    assert judged.accuracy(epoch, clip, training_config(batch_size=2)) == 0.5


def test_a_set_without_validation_images_is_an_error_before_training(world, tmp_path):
    with pytest.raises(InputError, match=r"validation: other has fewer than two .*split\.val"):
        trained(world, tmp_path, other="squares")


def test_a_class_without_the_text_is_an_error_before_training(world, tmp_path):
    folder = write_squares(tmp_path / "squares", train=3, val=3)
    texts = {one: {"com": f"a photo of {name}."} for one, name in NAMES.items()}
    write_class_texts(folder, texts | {"b": {"sci": "a green."}})
    with pytest.raises(InputError, match=r"1 of 3 classes of the run's .* type 'com', .* 'b'"):
        ZeroShotSet.of(ValidationConfig(), data_of(folder))


CONFIG = yaml.safe_load("""
datasets:
  fish: {source: {kind: folder, path: fish}}
  plants: {source: {kind: folder, path: plants}}
models:
  small: {architecture: nicheclip-small}
training:
  pairs:
    dataset: fish
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
evaluation:
  own: {dataset: fish}
  other: {dataset: [plants], split: val}
""")


def plan(**changes):
    values = copy.deepcopy(CONFIG)
    values["training"]["pairs"] |= changes
    return Plan(parse_config(values), REGISTRY)


def test_another_set_is_an_input_of_the_job_and_the_own_one_is_there_already():
    assert validated(plan(), "pairs") == validated(plan(validation={}), "pairs") == []
    values = copy.deepcopy(CONFIG)
    del values["evaluation"]["other"]
    values["training"]["pairs"]["validation"] = {"dataset": "plants"}
    found = validated(Plan(parse_config(values), REGISTRY), "pairs")
    assert [file.removeprefix("results/") for file in found] == [
        "acquire/plants/val/images.arrow",
        "acquire/plants/val/labels.arrow",
        "taxonomy/plants/class_texts.arrow",
    ]


def test_runs_without_it_are_as_before():
    runs = [plan(**changes).config.training["pairs"] for changes in ({}, {"validation": {}})]
    assert "validation" not in runs[0].determines()
    assert runs[1].determines()["validation"] == {"dataset": None, "text_type": "com"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": {"dataset": "plants"}},
         r"training\.pairs\.validation: the validation images of 'plants' .*evaluation\.other"),
        ({"dataset": "plants", "validation": {}}, r"training\.pairs\.validation: .*'plants'"),
        ({"dataset": "plants", "keep": "best"}, r"training\.pairs\.keep: .*'plants'"),
        ({"validation": {"dataset": "plant"}}, r"no 'datasets' entry is called 'plant'"),
        ({"validation": {}, "recipe": {"kind": "classification"}}, "there is no zero-shot"),
        ({"validation": {"text_type": "caption"}}, "text_type"),
    ],
)  # fmt: skip
def test_what_chooses_weights_judges_nothing_else(changes, message):
    with pytest.raises(InputError, match=message):
        plan(**changes)


def test_images_that_only_report_may_be_judged():
    """Without `validation` and `keep: best` nothing is chosen by them."""
    assert plan(dataset="plants").config.training["pairs"].keep == "last"
