"""The results of a run's last epochs, beside its result.

They are written when the run is complete, from its checkpoint: a run that was stopped leaves the
same files as an unbroken one. No rule declares them, so those of an earlier run with the same name
stay until then.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from nicheclip.engine.objective import Objective
from nicheclip.runtime.files import writing

FOLDER = "epochs"


def save_epoch_models(
    objective: Objective, epochs: Mapping[int, Mapping[str, Tensor]], output: Path
) -> None:
    """Write ``<output>/epochs/<n>/`` for each epoch n, in place of what is there.

    Args:
        objective: saves each; its module is left with the weights of the last.
        epochs: weights of the objective's module by the epoch's number from 1; without any,
            ``epochs`` is removed.
        output: of the run.

    Raises:
        InputError: the disk is full, or may not be written.
    """
    folder, new = output / FOLDER, output / f"{FOLDER}.new"
    with writing(folder):
        shutil.rmtree(new, ignore_errors=True)
        for epoch, weights in sorted(epochs.items()):
            # in place: FSDP's hooks refuse whole weights in load_state_dict
            for name, value in objective.module.state_dict().items():
                value.copy_(weights[name])
            objective.save(new / str(epoch))
        shutil.rmtree(folder, ignore_errors=True)
        if epochs:
            new.rename(folder)
