import copy
import json
import math
import time
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from changed_config import changed
from nicheclip.config.base import ConfigModel
from nicheclip.config.schema import schema_text
from nicheclip.config.workflow import Config, check_file, parse_config
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIGS = [
    ROOT / "config.yaml",
    *sorted((ROOT / "workflow/config").glob("*.yaml")),
    *sorted((ROOT / "tests/configs").glob("*.yaml")),
]

MINIMAL = {
    "datasets": {"fish": {"source": {"kind": "folder", "path": "fish"}}},
    "models": {"small": {"architecture": "nicheclip-small"}},
    "training": {
        "run": {
            "dataset": "fish",
            "model": "small",
            "recipe": {"kind": "contrastive"},
            "texts": {"types": {"com": 1.0}},
            "epochs": 1,
            "batch_size": 8,
        }
    },
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_config_of_the_project_is_valid(path):
    parse_config(yaml.safe_load(path.read_text()), [path])


def test_schema_file_is_the_models_schema():
    stored = (ROOT / "workflow/schemas/config.schema.json").read_text()
    regenerate = "python -m nicheclip.config.schema workflow/schemas/config.schema.json"
    assert stored == schema_text(), f"the models changed; run: {regenerate}"


def test_every_config_section_is_described():
    sections = json.loads(schema_text())["$defs"]
    assert [name for name, model in sections.items() if not model.get("description")] == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.run.epoch", 3, "training.run.epoch: unknown key 'epoch'; did you mean 'epochs'"),
        ("training.run.gpus", 1, "run.gpus: unknown key 'gpus'; did you mean 'compute.gpus'"),
        ("training.run.hours", 9, "unknown key 'hours'; did you mean 'compute.hours'"),
        ("training.run.lr", 1e-3, "unknown key 'lr'; did you mean 'optimizer.lr'"),
        ("training.run.compute", {"gpus": 3, "nodes": 2}, "2 nodes cannot share 3 GPUs evenly"),
        ("data_sets", {}, "data_sets: unknown key 'data_sets'; did you mean 'datasets'"),
        (
            "datasets.fish.source.split_folder",
            True,
            "datasets.fish.source.split_folder: unknown key 'split_folder'; "
            "did you mean 'split_folders'",
        ),
        ("training.run.model", "smal", "no 'models' entry is called 'smal'; did you mean 'small'"),
        ("training.run.batch_size", 1, "training.run.batch_size: Input should be greater than"),
        ("training.run.texts", {"types": {"caption": 1.0}}, "'fish' has no captions"),
        ("training.run.seeds", [1, 1], "seeds repeat"),
        ("training.run.seeds", [-1], "should be greater than or equal to 0"),
        ("training.run.seeds", [True], "should be a valid integer"),
        ("datasets.fish.split", {"val": 0.5, "test": 0.5}, "val \\+ test must be below 1"),
        ("training.run.epochs", True, r"run.epochs: .*valid integer \(given: True\)"),
        ("training.run.epochs", 1.0, r"run.epochs: .*valid integer \(given: 1.0\)"),
        ("training.run.seeds", [0, True], r"run.seeds.1: .*valid integer \(given: True\)"),
        ("training.run.optimizer", {"lr": True}, "optimizer.lr: expected a number, not true or"),
        ("training.run.optimizer", {"lr": math.inf}, r"lr: .*finite number \(given: inf\)"),
        ("training.run.optimizer", {"lr": math.nan}, r"lr: .*finite number \(given: nan\)"),
        ("training.run.optimizer", {"lr": "nan"}, r"lr: .*finite number \(given: 'nan'\)"),
        ("training.run.compute", {"hours": math.inf}, r"compute.hours: .*finite number"),
        ("training.run.texts", {"types": {"com": True}}, "types.com: expected a number, not true"),
        ("training.run.epochs", "x" * 999, r"epochs: .*valid integer \(given: 'x+\.\.\.x+'\)"),
        (f"datasets.{'a' * 151}", {"source": {"kind": "folder", "path": "x"}}, "at most 150 char"),
        ("datasets.a/b", {"source": {"kind": "folder", "path": "x"}}, "should match pattern"),
    ],
)
def test_an_error_names_the_key_and_the_way_out(path, value, message):
    with pytest.raises(InputError, match=message):
        parse_config(changed(MINIMAL, path, value))


def test_an_error_names_file_and_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        yaml.safe_dump(changed(MINIMAL, "datasets.fish.source.pth", "x"), sort_keys=False)
    )
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "pth:" in text)
    with pytest.raises(InputError, match=f"mine.yaml, line {line}: datasets.fish.source.pth"):
        parse_config(yaml.safe_load(file.read_text()), [file])


def number_fields():
    """(model, field) of every number in the config's schema."""
    models = {"Config": Config.model_json_schema(), **Config.model_json_schema()["$defs"]}
    for name, model in models.items():
        for field, schema in model.get("properties", {}).items():
            if schema.get("type") in ("integer", "number"):
                yield name, field


def models_by_name(model=ConfigModel):
    found = {}
    for one in model.__subclasses__():
        found |= {one.__name__: one, **models_by_name(one)}
    return found


@pytest.mark.parametrize(("name", "field"), list(number_fields()))
@pytest.mark.parametrize("value", [True, False, math.nan, math.inf, -math.inf])
def test_no_number_of_the_config_is_a_boolean_or_without_end(name, field, value):
    with pytest.raises(ValidationError) as caught:
        models_by_name()[name].model_validate({field: value})
    assert (field,) in [error["loc"][:1] for error in caught.value.errors()]


def test_a_number_may_be_written_as_yaml_1_1_reads_it():
    """`1e-4` without a point is a text to PyYAML."""
    values = yaml.safe_load("{lr: 1e-4, weight_decay: 0}")
    assert values["lr"] == "1e-4"
    run = parse_config(changed(MINIMAL, "training.run.optimizer", values)).training["run"]
    assert (run.optimizer.lr, run.optimizer.weight_decay) == (1e-4, 0)


@pytest.mark.parametrize("section", ["training.run", "datasets.fish.source", None])
def test_a_thousand_unknown_keys_are_named_and_counted_at_once(tmp_path, section):
    config = copy.deepcopy(MINIMAL)
    place = config
    for key in section.split(".") if section else []:
        place = place[key]
    place |= {f"epoch{i}": i for i in range(1000)}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    start = time.process_time()
    with pytest.raises(InputError, match=r"(?s)unknown key 'epoch0'.*and 980 more") as caught:
        parse_config(config, [file])
    assert time.process_time() - start < 2
    assert str(caught.value).count("unknown key") == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"mine\.yaml: no such file in .*name a config with --configfile"),
        ("", r"mine\.yaml: expected the sections of a config \(scale, .*but it is empty. Copy"),
        ("- datasets\n", r"mine\.yaml: expected .*but it holds a list"),
        ("datasets", r"mine\.yaml: expected .*but it holds a str"),
        ("seed: 1\nseed: 2\n", r"mine\.yaml, line 2: the key 'seed' repeats that of line 1"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path, content, message):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=message):
        check_file(file)


def test_retrieval_without_captions_is_refused():
    config = MINIMAL | {"evaluation": {"e": {"dataset": "fish", "protocols": ["retrieval"]}}}
    with pytest.raises(InputError, match=r"evaluation.e.protocols: .*datasets.fish.captions"):
        parse_config(config)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("papers.bioclip.rows", {"x": "tiny"}, "rows.x: no 'training' entry is called 'tiny'"),
        ("papers.bioclip.ablation.com", "arbr-com", "did you mean 'arbor-com'"),
        ("papers.bioclip.ablation", {"com": "arbor-com"}, "'mixed' is not in ablation .com."),
        (
            "papers.bioclip.figures_from",
            "tiny",
            "from: no 'training' entry is called 'tiny'",
        ),
        ("papers.bioclip.few_shot", ["unsen"], "few_shot: no .* did you mean 'unseen'"),
        ("papers.bioclip.comparisons", [["com", "com"]], "'com' is compared with itself"),
    ],
)
def test_a_papers_section_names_what_there_is(path, value, message):
    arbor = yaml.safe_load((ROOT / "tests/configs/arbor.yaml").read_text())
    config = changed(arbor, path, value)
    with pytest.raises(InputError, match=message):
        parse_config(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocols": ["text_types"]}, "the protocol text_types needs seen_in"),
        ({"classes": "seen"}, "classes: seen needs seen_in"),
        ({"classes": "unseen", "seen_in": "fish"}, "set baseline: false"),
        ({"seen_in": "fisch"}, "evaluation.e.seen_in: no 'datasets' entry .* did you mean 'fish'"),
        ({"text_types": ["sci", "caption"]}, "a caption is not a name"),
        ({"text_types": ["sci", "sci"]}, "text types repeat"),
        ({"protocols": ["zero_shot", "zero_shot"]}, "protocols repeat"),
        ({"split": "train"}, "on the images that it learns from; set baseline: false"),
        (
            {
                "protocols": ["text_types"],
                "seen_in": "fish",
                "class_texts": {"kind": "captions", "captions": "c"},
            },
            "set class_texts to kind templates",
        ),
    ],
)
def test_an_evaluation_of_seen_and_unseen_classes_says_what_it_lacks(change, message):
    with pytest.raises(InputError, match=message):
        parse_config(MINIMAL | {"evaluation": {"e": {"dataset": "fish", **change}}})


def test_captions_of_another_data_set_are_refused():
    config = changed(MINIMAL, "datasets.fish.captions", "other")
    config["datasets"]["birds"] = copy.deepcopy(MINIMAL["datasets"]["fish"])
    backend = {"kind": "replay", "path": "x.jsonl"}
    config["captions"] = {"other": {"dataset": "birds", "backend": backend}}
    with pytest.raises(InputError, match="'other' describes the data set 'birds'"):
        parse_config(config)
