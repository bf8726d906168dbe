"""One entry of the config that stands for many."""

import copy

import pytest
import yaml

from changed_config import changed
from nicheclip.config.grids import expand_grids
from nicheclip.config.workflow import parse_config
from nicheclip.runtime.errors import InputError

GRID = yaml.safe_load("""
datasets:
  fish: &folder {source: {kind: folder, path: fish}, captions: words}
  birds: {<<: *folder}
captions:
  words:
    grid: {dataset: [fish, birds]}
    backend: {kind: replay, path: words.jsonl}
models:
  small: {architecture: nicheclip-small}
  large: {architecture: ViT-B-32, pretrained: openai}
training:
  table1:
    grid:
      model: [small, large]
      dataset: [fish, birds]
      recipe.kind: {clip: contrastive, fungal: multi_positive}
    epochs: 1
    batch_size: 8
    seeds: [0, 1, 2]
evaluation:
  both:
    dataset: [fish, birds]
    runs: [table1]
    class_texts: {kind: captions, captions: words}
""")


def test_a_grid_is_the_product_of_its_values():
    config = parse_config(copy.deepcopy(GRID))
    assert list(config.training) == [
        f"table1-{model}-{dataset}-{recipe}"
        for model in ("small", "large")
        for dataset in ("fish", "birds")
        for recipe in ("clip", "fungal")
    ]
    run = config.training["table1-large-birds-fungal"]
    assert (run.model, run.dataset, run.recipe.kind) == ("large", "birds", "multi_positive")
    assert (run.epochs, run.seeds) == (1, [0, 1, 2])


def test_who_names_a_grid_means_all_of_it_or_the_entry_of_its_data_set():
    config = parse_config(copy.deepcopy(GRID))
    task = config.evaluation["both"]
    assert task.runs == list(config.training)
    assert config.datasets["birds"].captions == "words-birds"
    assert task.class_texts.of("fish") == "words-fish"
    assert task.class_texts.of("birds") == "words-birds"


def test_the_config_that_is_given_stays_as_it_is():
    given = copy.deepcopy(GRID)
    expand_grids(given)
    assert given == GRID


def test_values_that_share_an_anchor_do_not_share_an_object():
    config = changed(
        GRID, "training.table1.grid", {"model": ["small"], "augment.flip": [True, False]}
    )
    config["training"]["table1"] |= {"augment": {"rotate": True}, "dataset": "fish"}
    config["training"]["table1"]["recipe"] = {"kind": "contrastive"}
    values = expand_grids(config).values["training"]
    assert [entry["augment"] for entry in values.values()] == [
        {"rotate": True, "flip": True},
        {"rotate": True, "flip": False},
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.table1.grid", [], r"training.table1.grid: expected keys with lists of values"),
        ("training.table1.grid.model", [], r"table1.grid.model: expected one value or more"),
        ("training.table1.grid.model", "small", r"grid.model: expected a list of names or numbers"),
        ("training.table1.grid.model", [{"a": 1}], r"or a mapping of names to values"),
        ("training.table1.grid.model", ["small", "small"], r"values repeat \(small, small\)"),
        ("training.table1.model", "small", r"the entry sets 'model' as well; leave it out there"),
        ("training.table1-small-fish-clip", {}, r"makes the entry 'table1-small-fish-clip', which"),
        (
            "training.table1.grid",
            {"model": ["a-b", "a"], "dataset": ["c", "b-c"]},
            r"makes the entry 'table1-a-b-c', which is there already",
        ),
        (
            "training.table1.grid",
            {"optimizer.lr": [1], "optimizer": {"x": {"lr": 2}}},
            r"'optimizer' and 'optimizer.lr' set the same value; keep one",
        ),
        (
            "captions.words.grid",
            {"dataset": ["fish", "birds"], "samples": [1, 2]},
            r"makes two sets for the data set 'fish', words-fish-1 and words-fish-2. Name the one",
        ),
        ("evaluation.both.runs", ["table2"], r"no 'training' entry is called 'table2'"),
        ("captions.words.grid", {"dataset": ["fish"]}, r"datasets.birds.captions: no 'captions'"),
    ],
)
def test_a_wrong_grid_is_an_error_that_says_what_is_wrong(path, value, message):
    with pytest.raises(InputError, match=message):
        parse_config(changed(GRID, path, value))


def test_an_axis_inside_what_is_not_a_mapping_is_an_error():
    config = changed(GRID, "training.table1.grid", {"unfreezing.epochs_per_block": [1, 2]})
    config["training"]["table1"]["unfreezing"] = None
    with pytest.raises(InputError, match="the entry's 'unfreezing' is not a mapping"):
        parse_config(config)


def test_an_evaluation_needs_captions_for_each_of_its_data_sets():
    config = changed(GRID, "evaluation.both.class_texts.captions", {"fish": "words-fish"})
    with pytest.raises(InputError, match="none is given for the data set 'birds'"):
        parse_config(config)


def test_an_error_names_the_line_of_the_grid_and_the_entry(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(changed(GRID, "training.table1.epochs", 0), sort_keys=False))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "epochs" in text)
    message = rf"grid.yaml, line {line}: training.table1.epochs: .*entry table1-small-fish-clip of"
    with pytest.raises(InputError, match=message):
        parse_config(yaml.safe_load(file.read_text()), [file])
