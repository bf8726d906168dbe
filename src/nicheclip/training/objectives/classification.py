"""Classification: one head over the classes."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nicheclip.training.data import TrainingData
from nicheclip.training.objectives.classes import ClassObjective


class Classification(ClassObjective):
    """Cross-entropy over the classes that have training images."""

    version: ClassVar[int] = 1

    def taxa(self, classes: Sequence[str], data: TrainingData) -> Mapping[str, Sequence[str]]:
        """See ``ClassObjective``."""
        del data
        return {"class": classes}


OBJECTIVE = Classification
