"""The best epoch on test, on request: states by epoch, their answers, and who judges them."""

import numpy as np
import pytest

from nicheclip.adaptation.classify import classify
from nicheclip.adaptation.each_epoch import epoch_answers
from nicheclip.adaptation.entries import Entry, Where
from nicheclip.adaptation.job import adapt
from nicheclip.adaptation.run import AdaptationRun, fit
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.data.task_files import (
    FIT,
    JUDGE,
    TEXTS,
    TaskSentences,
    write_sentences,
    write_subset,
)
from nicheclip.evaluation.adapted import best_epoch
from nicheclip.models.class_scores import read_scores
from nicheclip.models.pseudo_labels import (
    EPOCH_ANSWERS_FILE,
    PseudoLabels,
    read_pseudo_labels,
    write_pseudo_labels,
)
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from small_trained import DESCRIPTIONS, NAMES, KilledError, digests, kill_at, method

FILES = ("changed.safetensors", "classifier.safetensors")
OPTIONS = {
    "upl": {"context_tokens": 2},
    "pouf": {"context": "a photo"},
    "lafter": {"prompt_tokens": 2, "text_steps": 3},
    "reclip": {"neighbours": 3},
    "dpa": {},
    "must": {"threshold": 0.2},
    "fair": {"crops": 2, "top_crops": 1, "train": "lora"},
}


def run(task, folder, kind, *, each_epoch=True, every_step=False, **changes):
    """Two epochs; returns the report."""
    return fit(
        AdaptationRun(
            method=method(kind, **OPTIONS[kind], **changes),
            start=task.start,
            seed=0,
            output=folder / "out",
            each_epoch=folder / "states" if each_epoch else None,
        ),
        images=task.images,
        texts=task.texts,
        run_folder=folder / "run",
        compute=ComputeConfig(checkpoint_seconds=1e-9 if every_step else 600.0),
    )


def states(folder):
    """Digests of the states, by epoch."""
    (own,) = (folder / "states").iterdir()
    return {
        state.name: [sha256_file(state / name) for name in FILES] for state in sorted(own.iterdir())
    }


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_state_of_the_last_epoch_is_the_result_and_changes_nothing_of_it(task, tmp_path, kind):
    run(task, tmp_path / "with", kind)
    run(task, tmp_path / "without", kind, each_epoch=False)
    assert digests(tmp_path / "with") == digests(tmp_path / "without")
    found = states(tmp_path / "with")
    assert list(found) == ["0001", "0002"]
    assert found["0002"] == [sha256_file(tmp_path / "with/out" / name) for name in FILES]
    assert found["0001"] != found["0002"]


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_run_that_is_killed_and_resumed_has_the_same_states(task, tmp_path, monkeypatch, step):
    """Steps 0 to 3 are the first epoch's: it is killed before and after its end."""
    run(task, tmp_path / "whole", "dpa")
    with monkeypatch.context() as patch:
        from nicheclip.adaptation.trained.dpa import OBJECTIVE

        kill_at(patch, OBJECTIVE, step)
        with pytest.raises(KilledError):
            run(task, tmp_path / "killed", "dpa", every_step=True)
    run(task, tmp_path / "killed", "dpa", every_step=True)
    assert states(tmp_path / "killed") == states(tmp_path / "whole")


def test_states_of_a_run_that_was_given_up_go_and_its_answers_stay(task, tmp_path):
    first = run(task, tmp_path, "dpa").fingerprint
    epoch_answers(tmp_path / "states", first, 2, task.images, device="cpu", threads=1)
    assert [path.name for path in (tmp_path / "states" / first).iterdir()] == [
        "answers.safetensors"
    ]
    other = run(task, tmp_path, "dpa", epochs=1).fingerprint
    assert run(task, tmp_path, "dpa", epochs=3).fingerprint not in (first, other)
    left = {path.name for path in (tmp_path / "states").glob("*/*")}
    assert left == {"answers.safetensors", "0001", "0002", "0003"}
    assert not list((tmp_path / "states" / other).iterdir())
    # the answers serve a result that is put back without training
    found = epoch_answers(tmp_path / "states", first, 2, task.images, device="cpu", threads=1)
    assert found.labels.shape == (2, len(task.images))
    with pytest.raises(InputError, match="the state after this epoch is missing"):
        epoch_answers(tmp_path / "states", other, 1, task.images, device="cpu", threads=1)


def job(task, folder, **entry):
    """A job that adapts to the task by DPA; the folder of the result, and how many were there."""
    for part, split in ((FIT, "train"), (JUDGE, "val")):
        images = ImageSet(task.folder / "squares" / split)
        write_subset(images, np.ones(len(images), bool), folder / "task" / part)
    sentences = TaskSentences(
        class_ids=tuple("abc"),
        class_names=NAMES,
        templates=("a photo of a {}.",),
        descriptions=DESCRIPTIONS,
    )
    write_sentences(folder / "task" / TEXTS, sentences)
    one = Entry(name="dpa", method=method("dpa", epochs=3), tasks=("t",), seeds=(0,), **entry)
    where = Where(
        start=task.start,
        tasks={"t": folder / "task"},
        models=folder / "models",
        run_folder=folder / "run",
        log=folder / "log",
        compute=ComputeConfig(),
        code="",
    )
    files, kept = adapt([one], where)
    result = folder / "models/dpa/t/seed0"
    assert ((result / EPOCH_ANSWERS_FILE) in files) == bool(entry.get("best_epoch"))
    return result, kept


def test_each_epoch_answers_for_the_judged_images(task, tmp_path):
    result, _ = job(task, tmp_path, best_epoch=True)
    answers, scores = (
        read_pseudo_labels(result / EPOCH_ANSWERS_FILE),
        read_scores(result / "scores.safetensors"),
    )
    assert answers.image_ids == scores.image_ids and answers.class_ids == scores.class_ids
    assert answers.labels.shape == (3, len(scores.image_ids))
    assert answers.labels[-1].tolist() == scores.probabilities.argmax(axis=1).tolist()
    (left,) = (tmp_path / "run/dpa/t/seed0/epochs").glob("*/*")
    assert left.name == "answers.safetensors", "the states are gone"


def test_answers_are_those_of_the_states(task, tmp_path):
    fingerprint = run(task, tmp_path, "dpa").fingerprint
    own = sorted((tmp_path / "states" / fingerprint).iterdir())
    each = [classify(state, task.images)[0].probabilities.argmax(axis=1) for state in own]
    found = epoch_answers(tmp_path / "states", fingerprint, 2, task.images, device="cpu", threads=1)
    assert found.labels.tolist() == np.stack(each).tolist()


def test_a_request_adapts_again_and_without_it_nothing_is_left(task, tmp_path):
    plain, _ = job(task, tmp_path)
    scores = sha256_file(plain / "scores.safetensors")
    result, kept = job(task, tmp_path, best_epoch=True)
    assert kept == 0 and (result / EPOCH_ANSWERS_FILE).is_file()
    assert job(task, tmp_path, best_epoch=True)[1] == 1
    result, kept = job(task, tmp_path)
    assert kept == 0 and not (result / EPOCH_ANSWERS_FILE).exists()
    assert sha256_file(result / "scores.safetensors") == scores


def test_the_best_epoch_by_hand(tmp_path):
    """Right are 2, 3, 3 and 1 of four images: the second epoch, the first of equals."""
    labels = {"1": "a", "2": "b", "3": "c", "4": "c", "5": "b"}  # 5 is of no class of the task
    decided = [[0, 1, 0, 0], [0, 1, 2, 0], [0, 2, 2, 2], [1, 2, 2, 1]]
    answers = PseudoLabels(["1", "2", "3", "4"], ["a", "b", "c"], np.asarray(decided, np.int32))
    write_pseudo_labels(tmp_path / EPOCH_ANSWERS_FILE, answers)
    (measure,), counts = best_epoch(tmp_path, labels)
    assert (measure.name, measure.value, measure.n) == ("best_epoch_top1", 0.75, 4)
    assert counts == {"best_epoch_on_test": 2, "epochs": 4}
    assert best_epoch(tmp_path / "elsewhere", labels) == ([], {})
