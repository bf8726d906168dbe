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


def validated(plan: Plan, run: str) -> list[str]:
    """Of another data set that judges every epoch of a run: images, labels, class texts."""
    validation = plan.config.training[run].validation
    if validation is None or validation.dataset is None:
        return []
    texts = f"results/taxonomy/{validation.dataset}/class_texts.arrow"
    return [*plan.split_files(validation.dataset, ("val",)), texts]
