"""What the sections of a config must agree in; each check names the key that is wrong."""

from typing import TYPE_CHECKING, Any

from nicheclip.config.evaluation import TEXT_PROTOCOLS, CaptionTexts, EvaluationConfig
from nicheclip.config.explain import suggestion
from nicheclip.config.leakage import circle
from nicheclip.config.references import references

if TYPE_CHECKING:
    from nicheclip.config.workflow import Config


def check(config: "Config") -> None:
    """All of them, in the order in which one relies on another.

    Raises:
        ValueError: the first that fails.
    """
    _references_exist(config)
    _runs_can_start(config)
    _tasks_are_of_their_own(config)
    _images_without_labels_are_only_adapted_to(config)
    _entries_of_a_job_belong_together(config)
    _best_epochs_can_be_found(config)
    _no_data_set_waits_for_itself(config)
    _versions_are_found_by_hashes(config)
    _runs_have_names_of_their_own(config)
    _evaluations_can_run(config)
    _texts_are_trained_where_they_are_needed(config)
    _captions_match_their_data(config)
    _what_chooses_weights_is_not_judged(config)


def _references_exist(config: "Config") -> None:
    for place, name, section in references(config):
        known: dict[str, Any] = getattr(config, section)
        if name not in known:
            raise ValueError(
                f"{place}: no {section!r} entry is called {name!r}{suggestion(name, known)}"
            )


def _runs_can_start(config: "Config") -> None:
    for name, run in config.training.items():
        if run.start_from is None:
            continue
        first, where = config.training[run.start_from], f"training.{name}.start_from"
        if first.start_from:
            raise ValueError(
                f"{where}: {run.start_from!r} starts from a run itself; name one that starts "
                "from its model"
            )
        if first.model != run.model:
            raise ValueError(
                f"{where}: {run.start_from!r} has the model {first.model!r}; expected "
                f"training.{name}.model, {run.model!r}"
            )


def _tasks_are_of_their_own(config: "Config") -> None:
    for name, task in config.tasks.items():
        if name in config.evaluation:
            raise ValueError(f"tasks.{name}: an evaluation has the same name; change one")
        for captions in task.caption_sets():
            described = config.captions[captions].dataset
            if described != task.dataset:
                raise ValueError(
                    f"tasks.{name}.texts: {captions!r} describes the data set {described!r}, "
                    f"not {task.dataset!r}"
                )


def _images_without_labels_are_only_adapted_to(config: "Config") -> None:
    bare = {name for name, one in config.datasets.items() if not one.is_labelled}
    for where, dataset, section in references(config):
        if section != "datasets" or dataset not in bare:
            continue
        if where.startswith(("tasks.", "pretraining.")) and where.endswith(".dataset"):
            continue
        raise ValueError(
            f"{where}: the data set {dataset!r} has no labels; a model can be adapted to it "
            "(tasks, adaptation) and an image model learn from it (pretraining), but nothing be "
            "trained on its classes or judged by it"
        )
    for name, task in config.tasks.items():
        wanted = (task.fit, task.judge, task.classes) == ("train", "train", "all")
        if task.dataset in bare and not wanted:
            raise ValueError(
                f"tasks.{name}: the data set {task.dataset!r} has no labels, so all of its "
                "images are fitted and answered for: set judge: train, and neither fit nor "
                "classes"
            )
    for paper in type(config.papers).model_fields:
        settings = getattr(config.papers, paper)
        for key, name, section in settings.references() if settings else ():
            if section == "tasks" and config.tasks[name].dataset in bare:
                raise ValueError(
                    f"papers.{paper}.{key}: the images of the task {name!r} have no labels, so "
                    "nothing can be judged on them"
                )


def _entries_of_a_job_belong_together(config: "Config") -> None:
    firsts: dict[str, str] = {}
    for name, entry in config.adaptation.items():
        if entry.job is None:
            continue
        first = config.adaptation[firsts.setdefault(entry.job, name)]
        if entry.job in config.adaptation:
            raise ValueError(
                f"adaptation.{name}.job: {entry.job!r} is the name of an entry; take another"
            )
        if (entry.run, entry.model, entry.compute) != (first.run, first.model, first.compute):
            raise ValueError(
                f"adaptation.{name}.job: its start or compute is not that of "
                f"{firsts[entry.job]!r}, which has the same job; make them equal, or leave out "
                "job"
            )


def _best_epochs_can_be_found(config: "Config") -> None:
    for name, entry in config.adaptation.items():
        for task in entry.tasks if entry.best_epoch else ():
            labelled = config.datasets[config.tasks[task].dataset].is_labelled
            if labelled and config.tasks[task].batches is None:
                continue
            why = "come in batches" if labelled else "have no labels"
            raise ValueError(
                f"adaptation.{name}.best_epoch: the images of the task {task!r} {why}, so no epoch "
                "is compared with others; leave best_epoch out, or give the task an entry of its "
                "own"
            )


def _no_data_set_waits_for_itself(config: "Config") -> None:
    checked = {name: one.leakage.apart_from for name, one in config.datasets.items() if one.leakage}
    if found := circle(checked):
        raise ValueError(
            f"datasets.{found[0]}.leakage.apart_from: {' -> '.join(found)} is a circle, so "
            "none can be curated first. Keep the data that trains apart from the judged, not "
            "both ways"
        )


def _versions_are_found_by_hashes(config: "Config") -> None:
    for name, one in config.datasets.items():
        if one.leakage is None or "versions" not in one.leakage.by:
            continue
        for judged in one.leakage.apart_from:
            if config.datasets[judged].image.check == "header":
                raise ValueError(
                    f"datasets.{name}.leakage.by: versions are found by perceptual hashes, which "
                    f"datasets.{judged}.image.check: header does not make; let it be scaled, or "
                    "take versions out of leakage.by"
                )


def _runs_have_names_of_their_own(config: "Config") -> None:
    for name in config.pretraining:
        if name in config.training:
            raise ValueError(f"pretraining.{name}: a training has the same name; change one")


def _evaluations_can_run(config: "Config") -> None:
    for name, task in config.evaluation.items():
        for dataset in task.datasets:
            _evaluation_can_run(config, f"evaluation.{name}", task, dataset)


def _evaluation_can_run(config: "Config", where: str, task: EvaluationConfig, dataset: str) -> None:
    if "retrieval" in task.protocols and not config.datasets[dataset].captions:
        raise ValueError(
            f"{where}.protocols: retrieval looks for captions, and the data set "
            f"{dataset!r} has none; set datasets.{dataset}.captions"
        )
    if isinstance(task.class_texts, CaptionTexts):
        captions = task.class_texts.of(dataset)
        if captions is None:
            raise ValueError(
                f"{where}.class_texts.captions: none is given for the data set {dataset!r}"
            )
        described = config.captions[captions].dataset
        if described != dataset:
            raise ValueError(
                f"{where}.class_texts: {captions!r} describes the data set "
                f"{described!r}, not {dataset!r}"
            )


def _texts_are_trained_where_they_are_needed(config: "Config") -> None:
    for name, task in config.evaluation.items():
        refused = [one for one in task.protocols if one in TEXT_PROTOCOLS]
        for run in task.runs or []:
            if refused and not config.training[run].recipe.trains_texts:
                raise ValueError(
                    f"evaluation.{name}.protocols: {refused[0]} compares images with texts, "
                    f"and {_untrained(config, run)}. Judge it by few_shot, in an evaluation of "
                    "its own"
                )
    for name, adaptation in config.adaptation.items():
        start = adaptation.run
        if start and not config.training[start].recipe.trains_texts:
            raise ValueError(
                f"adaptation.{name}.run: adapting starts from the texts of the classes, and "
                f"{_untrained(config, start)}. Start from another run"
            )


def _untrained(config: "Config", run: str) -> str:
    kind = config.training[run].recipe.kind
    return f"the run {run!r} (recipe {kind}) trains no text tower"


def _captions_match_their_data(config: "Config") -> None:
    for name, dataset in config.datasets.items():
        if dataset.captions and config.captions[dataset.captions].dataset != name:
            raise ValueError(
                f"datasets.{name}.captions: {dataset.captions!r} describes the data set "
                f"{config.captions[dataset.captions].dataset!r}"
            )
    for name, run in config.training.items():
        read = [("texts", run.dataset)] if run.reads_captions else []
        if run.replay and "caption" in run.replay.texts.types:
            read.append(("replay.texts", run.replay.dataset))
        for key, dataset_name in read:
            if not config.datasets[dataset_name].captions:
                raise ValueError(
                    f"training.{name}.{key}: the data set {dataset_name!r} has no captions; "
                    f"set datasets.{dataset_name}.captions or choose other text types"
                )


def _what_chooses_weights_is_not_judged(config: "Config") -> None:
    """Validation images are no test set: neither an evaluation nor a task judges them."""
    judged = {
        (one, task.split): f"evaluation.{name}.split"
        for name, task in config.evaluation.items()
        for one in task.datasets
    }
    judged |= {
        (task.dataset, task.judge): f"tasks.{name}.judge" for name, task in config.tasks.items()
    }
    for name, run in config.training.items():
        if run.validation is None and run.keep == "last":
            continue
        dataset = run.validation.dataset if run.validation else None
        if where := judged.get((dataset or run.dataset, "val")):
            key = "validation" if run.validation else "keep"
            raise ValueError(
                f"training.{name}.{key}: the validation images of {dataset or run.dataset!r} say "
                f"how good each epoch is, and {where} would judge by them. Judge another split "
                "(split: test), or validate on another data set (validation.dataset)"
            )
