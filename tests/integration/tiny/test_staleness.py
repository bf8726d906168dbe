"""What an edit reruns: exactly these jobs, no more and no fewer.

Each edit is planned in the clone in which everything has been made, and undone. Edits that rerun
nothing are planned together.
"""

from contextlib import ExitStack, contextmanager

import pytest
import yaml

from changed_config import changed
from workflow_run import TINY, planned_jobs

#: made anew whenever any figure is
DETAILS = {"write_report": 1, "all": 1}
#: made anew whenever any number is
REPORT = {"write_page": 1} | DETAILS
#: the paper's table and its two figures, the tables of the evaluations, the figures of the models
SHOWN = {"make_table": 2, "make_figure": 2, "tabulate_evaluations": 1, "plot_models": 1} | REPORT
#: the record of the config is part of the report, and its first page shows where numbers come from
CONFIG = {"write_config": 1} | REPORT
TRAINED = {"train_model": 2, "plot_training": 1, "encode": 1, "judge": 1}
#: what follows from a catalog but for models; no image is read again
DATA = {
    "curate_dataset": 1,
    "compare_with_catalog": 1,
    "flatten_taxonomy": 1,
    "judge_captions": 2,
    "assign_captions": 1,
    "draw_folds": 1,
    "judge_colour_histogram": 1,
}
#: the start models and the trained ones, each with both seeds
JUDGED = {"judge": 2}


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


def plan_of_edits(folder, modules, change):
    with ExitStack() as edits:
        for module in modules:
            edits.enter_context(edited(folder / "src/nicheclip" / module, change))
        return planned_jobs(folder, root=folder)


def test_prose_reruns_nothing(finished):
    modules = (
        "runtime/locks.py",
        "runtime/files.py",
        "data/sources/hub.py",
        "data/sources/synthetic.py",
        "config/data.py",
        "config/training.py",
        "training/losses.py",
        "evaluation/protocols/retrieval.py",
        "subjects.py",
    )
    assert plan_of_edits(finished, modules, prose) == {}


def test_code_that_can_change_no_result_reruns_nothing(finished):
    """Order among jobs, and kinds that this config does not choose."""
    modules = (
        "runtime/locks.py",
        "config/training.py",
        "plan/plan.py",
        "data/sources/hub.py",
        "captions/ollama.py",
        "synthetic/arbor_images.py",
        "evaluation/protocols/text_types.py",
        "training/objectives/contrastive.py",
    )
    assert plan_of_edits(finished, modules, code) == {}


@pytest.mark.parametrize(
    ("module", "plan"),
    [
        ("training/losses.py", TRAINED | SHOWN),
        ("training/objectives/multi_positive.py", TRAINED | SHOWN),
        ("engine/engine.py", TRAINED | SHOWN),
        ("evaluation/protocols/retrieval.py", JUDGED | SHOWN),
        ("models/encode.py", {"encode": 2} | JUDGED | SHOWN),
        ("reporting/published.py", {"make_table": 2, "make_figure": 2} | REPORT),
        ("reporting/figure_kinds/pictures.py", {"make_figure": 1} | DETAILS),
    ],
)
def test_an_edit_of_code_reruns_what_it_can_change(finished, module, plan):
    assert plan_of_edits(finished, [module], code) == plan


@pytest.mark.parametrize(
    ("changes", "plan"),
    [
        (
            {
                "training.fungi-tiny.compute": {"workers": 1, "log_every_steps": 7, "hours": 2},
                "datasets.fungi.split": {"method": "given", "val": 0.2},
                "scratch": "/tmp",
            },
            CONFIG,
        ),
        (
            {"datasets.fungi.split": {"val": 0.2}},
            DATA | TRAINED | {"encode": 2} | JUDGED | SHOWN | CONFIG,
        ),
        (
            {"evaluation.visual.shots": [1, 2]},
            {"compare_with_catalog": 1, "draw_folds": 1} | JUDGED | SHOWN | CONFIG,
        ),
        (
            {"evaluation.visual.baseline": False},
            {"compare_with_catalog": 1, "judge_colour_histogram": 1, "make_table": 1}
            | {"tabulate_evaluations": 1}
            | REPORT
            | CONFIG,
        ),
        (
            {"captions.plain.gates": {"max_words": 39}},
            {"judge_captions": 1, "encode": 2} | JUDGED | SHOWN | CONFIG,
        ),
        ({"training.fungi-tiny.optimizer.lr": 2.0e-3}, TRAINED | SHOWN | CONFIG),
        (
            {"training.fungi-tiny.seeds": [0, 1, 2]},
            {"create_model": 1, "train_model": 1, "plot_training": 1, "encode": 2}
            | JUDGED
            | SHOWN
            | CONFIG,
        ),
    ],
)
def test_a_change_of_the_config_reruns_what_uses_it(finished, tmp_path, changes, plan):
    config = yaml.safe_load(TINY.read_text())
    for path, value in changes.items():
        config = changed(config, path, value)
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    assert planned_jobs(finished, config=file, root=finished) == plan
