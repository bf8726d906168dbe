"""What an edit reruns: exactly these jobs, no more and no fewer.

One clone in which everything has been made; each edit is planned in it and undone.
"""

from contextlib import contextmanager

import pytest
import yaml

from workflow_run import TINY, clone, planned_jobs, snakemake

#: made anew whenever any number or figure is
REPORT = {"write_report": 1, "all": 1}
PAPER_TABLES = {"make_table": 1, "make_figure": 2}
TABLES = PAPER_TABLES | {"tabulate_evaluations": 1}
FIGURES = {"plot_models": 1}
#: judged from encoded models: the start and the trained model, each with both seeds
JUDGED = {"judge": 2}
ENCODED = {"encode": 2} | JUDGED | TABLES | FIGURES
TRAINED = {"train_model": 2, "plot_training": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The clone in which everything has been made."""
    folder = clone(tmp_path_factory.mktemp("staleness") / "clone")
    snakemake(folder, "--cores", 2, root=folder)
    assert planned_jobs(folder, root=folder) == {}
    return folder


@contextmanager
def edited(file, change):
    before = file.read_text()
    after = change(before)
    assert after != before
    file.write_text(after)
    try:
        yield
    finally:
        file.write_text(before)


def prose(text):
    """Another word in the first docstring, and a comment at the end."""
    assert text.startswith('"""')
    return text.replace('"""', '"""Truly. ', 1) + "\n# a comment\n"


def code(text):
    return text + "\nEDITED = True\n"


@pytest.mark.parametrize(
    "module",
    [
        "runtime/locks.py",
        "runtime/files.py",
        "data/sources/hub.py",
        "data/sources/synthetic.py",
        "config/data.py",
        "config/training.py",
        "training/losses.py",
        "evaluation/protocols/retrieval.py",
        "subjects.py",
    ],
)
def test_prose_reruns_nothing(finished, module):
    with edited(finished / "src/nicheclip" / module, prose):
        assert planned_jobs(finished, root=finished) == {}


@pytest.mark.parametrize(
    ("module", "plan"),
    [
        # what cannot change a result, and kinds that this config does not choose
        ("runtime/locks.py", {}),
        ("config/training.py", {}),
        ("plan/plan.py", {}),
        ("data/sources/hub.py", {}),
        ("captions/ollama.py", {}),
        ("synthetic/arbor_images.py", {}),
        ("evaluation/protocols/text_types.py", {}),
        # what can
        ("training/losses.py", TRAINED | ENCODED | REPORT),
        ("evaluation/protocols/retrieval.py", JUDGED | TABLES | FIGURES | REPORT),
        ("reporting/published.py", PAPER_TABLES | REPORT),
        ("reporting/evaluation_table.py", {"tabulate_evaluations": 1} | REPORT),
        ("reporting/figure_kinds/pictures.py", {"make_figure": 1} | REPORT),
        ("reporting/figure_kinds/tree.py", {}),
    ],
)
def test_an_edit_of_code_reruns_what_it_can_change(finished, module, plan):
    with edited(finished / "src/nicheclip" / module, code):
        assert planned_jobs(finished, root=finished) == plan


def change_config(path, value):
    def change(config):
        *parents, last = path.split(".")
        for key in parents:
            config = config.setdefault(key, {})
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "plan"),
    [
        ("training.fungi-tiny.compute", {"workers": 1, "log_every_steps": 7, "hours": 2}, {}),
        ("datasets.fungi.split", {"method": "given", "val": 0.2}, {}),
        ("scratch", "/tmp", {}),
        ("evaluation.visual.shots", [1, 2], {}),
        ("evaluation.visual.baseline", False, {}),
        ("evaluation.plain.bootstrap", 300, {}),
        ("captions.plain.gates", {"max_words": 39}, {}),
        ("captions.visual.gates", {"max_words": 39}, {}),
        ("training.fungi-tiny.optimizer.lr", 2.0e-3, TRAINED | ENCODED | REPORT),
        ("training.fungi-tiny.seeds", [0, 1, 2], {}),
    ],
)
def test_a_change_of_the_config_reruns_what_uses_it(finished, tmp_path, path, value, plan):
    config = yaml.safe_load(TINY.read_text())
    change_config(path, value)(config)
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    assert planned_jobs(finished, config=file, root=finished) == plan
