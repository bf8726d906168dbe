"""What the sections `pretraining` and `alignment` of a config will cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.cost.rows import CostRow
from nicheclip.cost.towers import towers_of
from nicheclip.cost.training import UNKNOWN_IMAGES, UNKNOWN_MODEL, CostOfTraining, epochs_and_steps

#: the two global crops of an image
GLOBALS = 2


@dataclass(frozen=True)
class CostOfPretraining:
    """Works out the rows of a config.

    DINO's student goes forward over all crops and back at the cost of two forward passes, its
    teacher forward over the global ones. What is measured after each epoch is left out. So is the
    fit of an alignment's map, which costs little beside encoding the images, once by each model.
    """

    trainings: CostOfTraining
    """Knows how many images a data set has."""

    def rows(self) -> Iterator[CostRow]:
        """One for each run, all its seeds together, then one for each alignment."""
        config = self.trainings.plan.config
        for name, run in config.pretraining.items():
            yield self._run(name, run)
        for name, alignment in config.alignment.items():
            yield self._alignment(name, alignment)

    def _run(self, name: str, run: PretrainingConfig) -> CostRow:
        images = self.trainings.images(run.dataset)
        epochs, steps = epochs_and_steps(run, images)
        local = run.recipe.crops.local_crops
        operations = None
        if images:
            operations = len(run.seeds) * epochs * images * dino_operations(run)
        return CostRow(
            entry=f"pretraining.{name}",
            what=run.recipe.kind,
            data=f"{run.dataset} ({run.backbone})",
            images=images,
            epochs=epochs,
            seeds=len(run.seeds),
            forward=float(2 * GLOBALS + local),
            backward=float(GLOBALS + local),
            operations=operations,
            note=f"{steps:,} steps of {run.batch_size:,}" if steps else UNKNOWN_IMAGES,
        )

    def _alignment(self, name: str, alignment: AlignmentConfig) -> CostRow:
        from nicheclip.models.operations import backbone_operations

        config = self.trainings.plan.config
        images = self.trainings.images(alignment.dataset)
        if alignment.pretraining:
            run = config.pretraining[alignment.pretraining]
            backbone, size = run.backbone, run.size
        else:
            assert alignment.backbone is not None, "the config has one of them"
            backbone, size = alignment.backbone.architecture, alignment.backbone.size
        model = alignment.model or config.training[str(alignment.run)].model
        registry = self.trainings.plan.registry / "models"
        towers = towers_of(config.models[model].architecture, registry)
        operations = None
        if towers and images:
            operations = images * (backbone_operations(backbone, size).forward + towers.image)
        notes = [UNKNOWN_IMAGES] * (images is None) + [UNKNOWN_MODEL] * (towers is None)
        return CostRow(
            entry=f"alignment.{name}",
            what=alignment.fit.kind,
            data=f"{alignment.dataset} ({backbone}, {model})",
            images=images,
            epochs=1,
            seeds=1,
            forward=2.0,
            backward=0.0,
            operations=operations,
            note="; ".join(notes),
        )


def dino_operations(run: PretrainingConfig) -> float:
    """Floating-point operations of one image in one step, heads included.

    A linear layer of the head is a product of [1, a] and [a, b], 2ab operations.
    """
    from nicheclip.models.operations import backbone_operations

    recipe, crops = run.recipe, run.recipe.crops
    whole = backbone_operations(run.backbone, run.size)
    part = backbone_operations(run.backbone, crops.local_size) if crops.local_crops else whole
    widths = (whole.features, recipe.hidden, recipe.hidden, recipe.bottleneck, recipe.outputs)
    head = sum(2.0 * a * b for a, b in pairwise(widths))
    student = GLOBALS * (whole.forward + head) + crops.local_crops * (part.forward + head)
    return 3 * student + GLOBALS * (whole.forward + head)
