"""Config of what a training run minimises."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from nicheclip.config.archive_readers import Rank
from nicheclip.config.base import ConfigModel


class RecipeConfig(ConfigModel):
    """What all recipes say of themselves."""

    trains_texts: ClassVar[bool] = True
    """Whether images are drawn to their texts; else the text tower stays as it was at the start,
    and nothing can be judged that compares images with texts."""
    reads_ranks: ClassVar[bool] = False
    """Whether the taxa of the classes are needed."""


class ContrastiveRecipe(RecipeConfig):
    """open_clip's symmetric InfoNCE: the one matching text is the positive."""

    kind: Literal["contrastive"]


class SigLipRecipe(RecipeConfig):
    """SigLIP's sigmoid loss, for models with a bias: SigLIP's own, or an architecture with
    `init_logit_bias`."""

    kind: Literal["siglip"]


class MultiPositiveRecipe(RecipeConfig):
    """FungalZSL, equations 7 to 9: every text of the image's class is a positive."""

    kind: Literal["multi_positive"]


class ClassificationRecipe(RecipeConfig):
    """BioCLIP's ablation: cross-entropy of a linear head over the classes, on the image tower
    alone. The heads are not saved."""

    trains_texts: ClassVar[bool] = False

    kind: Literal["classification"]


class HierarchicalClassificationRecipe(RecipeConfig):
    """BioCLIP's ablation: a linear head for each rank on the image tower alone, cross-entropies
    summed. An image counts at the ranks that its class has a name at. The heads are not saved."""

    trains_texts: ClassVar[bool] = False
    reads_ranks: ClassVar[bool] = True

    kind: Literal["hierarchical_classification"]
    ranks: list[Rank] = Field(default=list(get_args(Rank)), min_length=1)
    """From the highest to the finest. A rank with one taxon among the training images has nothing
    to tell apart and gets no head."""

    @field_validator("ranks")
    @classmethod
    def _ranks_in_their_order(cls, ranks: list[Rank]) -> list[Rank]:
        order = get_args(Rank)
        if ranks != [rank for rank in order if rank in ranks]:
            raise ValueError(f"expected ranks in the order {', '.join(order)}, each once: {ranks}")
        return ranks


Recipe = Annotated[
    ContrastiveRecipe
    | SigLipRecipe
    | MultiPositiveRecipe
    | ClassificationRecipe
    | HierarchicalClassificationRecipe,
    Field(discriminator="kind"),
]
