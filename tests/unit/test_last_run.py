"""Whose results a run replaces, told from the record of earlier runs."""

from nicheclip.config.workflow import parse_config
from nicheclip.plan.last_run import origins, read_origins, record, replaced
from nicheclip.runtime.local_machine import missing_gpus, missing_programs


def config(path, model="small", dataset="pests"):
    return parse_config(
        {
            "datasets": {
                "pests": {"source": {"kind": "folder", "path": path}},
                "weeds": {
                    "source": {
                        "kind": "archive",
                        "urls": ["https://me:secret@host/weeds.tar?key=1"],
                    }
                },
            },
            "models": {
                "small": {"architecture": "nicheclip-small"},
                "large": {"architecture": "ViT-B-32", "pretrained": "openai"},
            },
            "training": {
                "run": {
                    "dataset": dataset,
                    "model": model,
                    "recipe": {"kind": "contrastive"},
                    "texts": {"types": {"com": 1}},
                    "epochs": 1,
                    "batch_size": 4,
                }
            },
        }
    )


def test_names_that_stand_for_other_sources_are_listed_where_their_results_are(tmp_path):
    before = origins(config("~/a"), "a.yaml")
    now = origins(config("~/b", model="large", dataset="weeds"), "b.yaml")
    assert replaced(before, now, tmp_path) == ""  # nothing has been made yet
    (tmp_path / "acquire/pests").mkdir(parents=True)
    (tmp_path / "models/trained/run").mkdir(parents=True)
    said = replaced(before, now, tmp_path)
    assert "(a.yaml)" in said
    assert said.splitlines()[-2:] == [
        "  datasets.pests: was the folder ~/a, now the folder ~/b",
        "  training.run: was the model small on the data set pests, now the model large on the "
        "data set weeds",
    ]
    assert replaced(before, origins(config("~/a"), "c.yaml"), tmp_path) == ""


def test_the_record_keeps_names_of_earlier_runs_and_no_passwords(tmp_path):
    file = tmp_path / "last_run.json"
    assert read_origins(file) == {}
    first = origins(config("~/a"), "a.yaml")
    record(first, file)
    assert read_origins(file) == first
    assert first["datasets.weeds"].made_from == "the archives weeds.tar"
    assert "secret" not in file.read_text()
    record({key: one for key, one in first.items() if key != "datasets.pests"}, file)
    assert "datasets.pests" in read_origins(file)
    file.write_text("{damaged")
    assert read_origins(file) == {}


def test_what_a_machine_lacks_names_the_key_of_the_config():
    assert missing_gpus({"training.a.compute.gpus": 1, "encoding.gpu": 1}, 1) == []
    (line,) = missing_gpus({"encoding.gpu": 1}, 0)
    assert line.startswith(
        "encoding.gpu asks for 1 GPU, and torch sees 0 here. Set it to 0 (the CPU)"
    )
    (line,) = missing_programs({"captions.x.backend": "no-such-program", "y": "sh"})
    assert (
        line == "captions.x.backend needs the program no-such-program, which is not installed here."
    )
