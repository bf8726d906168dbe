"""What a training reads beside its images and their texts."""

from nicheclip.plan.plan import Plan


def lineages(plan: Plan, run: str) -> list[str]:
    """The taxa of the classes, and which class is of which, for a run that trains by ranks."""
    training = plan.config.training[run]
    names = ("taxa", "texts") if training.recipe.reads_ranks else ()
    return [f"results/taxonomy/{training.dataset}/{name}.parquet" for name in names]


def replayed(plan: Plan, run: str) -> list[str]:
    """Of the data set that a run mixes in: images, labels, class texts, captions."""
    replay = plan.config.training[run].replay
    if replay is None:
        return []
    texts = [f"results/taxonomy/{replay.dataset}/class_texts.arrow"]
    if "caption" in replay.texts.types:
        texts += plan.own_captions(replay.dataset, ("train",))
    return [*plan.split_files(replay.dataset, ("train",)), *texts]
