"""Files that the config names and no job makes: are they there, and can they be read?"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicheclip.captions.variables import read_values
from nicheclip.config.evaluation import TemplateTexts
from nicheclip.config.leaderboard import read_others
from nicheclip.config.llm_backends import LlmBackend
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError


def check_files(plan: Plan) -> None:
    """See that the files that the config names are there.

    Snakemake takes finished results whose source is gone for given ones, and then makes nothing
    anew, whatever else has changed.

    Raises:
        InputError: names the first file that is not there, and the key of the config; a prompt
            with a variable that nothing fills; a wrong line of a leaderboard; or a data set
            whose source gives splits that the config says nothing of.
    """
    for key, path in _named_files(plan):
        try:
            there = Path(path).exists()
        except OSError as error:
            reason = f"cannot be looked at ({error.strerror})"
            raise InputError(f"config: {key}: {path:.80} {reason}. Correct it.") from None
        if not there:
            raise InputError(f"config: {key}: {path} is not there. Correct the name or path.")
    with _said_of("leaderboard.others"):
        read_others(plan.config.leaderboard.files)
    for name, captions in plan.config.captions.items():
        if isinstance(captions.backend, LlmBackend):
            with _said_of(f"captions.{name}"):
                read_values(captions.backend, plan.registry / "prompts")
    for name, dataset in plan.config.datasets.items():
        with _said_of(f"datasets.{name}.source.classes"):
            dataset.class_names()
        given = dataset.source.gives_splits(plan.registry / "datasets")
        if given and "method" not in dataset.split.model_fields_set:
            raise InputError(
                f"config: datasets.{name}.split: the source gives each image's split ({given})."
                " Set method: given to keep it, or, to draw another, method: stratified."
            )


@contextmanager
def _said_of(key: str) -> Iterator[None]:
    """Errors name the key of the config."""
    try:
        yield
    except InputError as error:
        raise InputError(f"config: {key}: {error}") from None


def missing_data(plan: Plan) -> list[str]:
    """What is known to be missing before a data set can be read, a line for each."""
    return [
        f"datasets.{name}: {line}"
        for name, dataset in plan.config.datasets.items()
        if (line := dataset.source.lacks(plan.registry / "datasets"))
    ]


def _named_files(plan: Plan) -> Iterator[tuple[str, str]]:
    """(key of the config, path) of every file that a job is made from and no job makes."""
    for name in plan.config.datasets:
        for path in plan.source_files(name):
            yield f"datasets.{name}.source", path
    for path in plan.checklist_files():
        yield "taxonomy.providers", path
    for name in plan.config.captions:
        for path in plan.caption_sources(name):
            yield f"captions.{name}.backend", path
    yield from plan.alignments.named_files()
    for path in plan.config.leaderboard.files:
        yield "leaderboard.others", path
    for name, path in plan.adaptations.named_files():
        yield f"adaptation.{name}.method.vision", path
    for name, task in plan.config.evaluation.items():
        if isinstance(task.class_texts, TemplateTexts):
            file = plan.registry / "prompts" / f"{task.class_texts.templates}.yaml"
            yield f"evaluation.{name}.class_texts", str(file)
    for name in plan.config.tasks:
        yield f"tasks.{name}.texts.templates", plan.adaptations.templates(name)
        for path in plan.adaptations.descriptions(name):
            yield f"tasks.{name}.texts", path
