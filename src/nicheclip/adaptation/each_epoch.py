"""What a method is after each epoch, for whoever asks which epoch was best on test images.

A fit knows nothing of those images: where it is asked to, it writes its state after each epoch.
When it is over, each state answers for the judged images, still without a label, and goes; the
answers stay. Whoever judges has the labels and says which epoch was best.

``<folder>/<fingerprint of the run>/<epoch>/``            a model folder with its classifier
``<folder>/<fingerprint of the run>/answers.safetensors``  the classes that they decided for
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nicheclip.adaptation.classify import classify
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.objective import Objective
from nicheclip.models.pseudo_labels import (
    PseudoLabels,
    read_pseudo_labels,
    write_pseudo_labels,
)
from nicheclip.runtime.errors import InputError

ANSWERS = "answers.safetensors"


def keep_states(folder: Path) -> Callable[[Objective, int, str], None]:
    """What the engine calls after each epoch, to write the state into ``folder``.

    States of other runs, which were given up, are removed; their answers stay.
    """

    def keep(objective: Objective, epoch: int, fingerprint: str) -> None:
        own = folder / fingerprint
        if epoch == 0:
            for state in _states(folder):
                shutil.rmtree(state)
            (own / ANSWERS).unlink(missing_ok=True)
        state = _state(own, epoch)
        shutil.rmtree(state, ignore_errors=True)
        objective.save(state)

    return keep


def epoch_answers(
    folder: Path, fingerprint: str, epochs: int, images: ImageSet, *, device: str, threads: int
) -> PseudoLabels:
    """The classes that the states of a run decide for.

    Args:
        folder: as ``keep_states`` was given it.
        fingerprint: of the run.
        epochs: how many it has.
        images: that are judged.
        device: on which they are encoded.
        threads: that decode them.

    Raises:
        InputError: a state is missing.
    """
    own = folder / fingerprint
    states = [_state(own, epoch) for epoch in range(epochs)]
    if not any(state.exists() for state in states) and (own / ANSWERS).is_file():
        return read_pseudo_labels(own / ANSWERS)  # its result was put back, not trained again
    if missing := [state for state in states if not state.is_dir()]:
        raise InputError(
            f"{missing[0]}: the state after this epoch is missing, so the best epoch cannot be "
            f"found. Delete {folder.parent} and adapt again."
        )
    found = [classify(state, images, device=device, threads=threads)[0] for state in states]
    decided = np.stack([scores.probabilities.argmax(axis=1) for scores in found])
    answers = PseudoLabels(found[0].image_ids, found[0].class_ids, decided.astype(np.int32))
    write_pseudo_labels(own / ANSWERS, answers)
    for state in states:
        shutil.rmtree(state)
    return answers


def _state(run: Path, epoch: int) -> Path:
    return run / f"{epoch + 1:04d}"


def _states(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/*") if path.is_dir()]
