"""Hierarchical classification: a head for each rank."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nicheclip.config.recipes import HierarchicalClassificationRecipe
from nicheclip.data.class_ranks import Taxon, class_ranks
from nicheclip.training.data import TrainingData
from nicheclip.training.objectives.classes import ClassObjective


class HierarchicalClassification(ClassObjective):
    """The sum over ranks of the cross-entropy over the taxa of the rank."""

    version: ClassVar[int] = 1

    def taxa(self, classes: Sequence[str], data: TrainingData) -> Mapping[str, Sequence[Taxon]]:
        """See ``ClassObjective``."""
        recipe, folder = self._config.recipe, data.lineages
        assert isinstance(recipe, HierarchicalClassificationRecipe) and folder is not None
        found = class_ranks(folder, classes)
        return {rank: found[rank] for rank in recipe.ranks}


OBJECTIVE = HierarchicalClassification
