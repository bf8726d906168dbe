"""All cells of a job: the variants of a subject, judged by each protocol on one split."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from nicheclip.evaluation.cell_files import write_cell
from nicheclip.evaluation.evaluation_split import read_evaluation_split
from nicheclip.evaluation.feature_files import image_file
from nicheclip.evaluation.measures import CellMetrics, measure_cost
from nicheclip.evaluation.predictions import read_names
from nicheclip.evaluation.requests import Request
from nicheclip.evaluation.seen_classes import ClassGroups
from nicheclip.evaluation.task import Judged, Task
from nicheclip.evaluation.trained_images import measure_trained
from nicheclip.runtime.progress import progress
from nicheclip.subjects import Subject

#: the package of the protocols; the file of each has its name
PROTOCOLS = "nicheclip.evaluation.protocols"


def judge_subjects(
    subjects: Sequence[Subject],
    requests: Sequence[Request],
    *,
    dataset: str,
    split: str,
    features: Path,
    catalog: Path,
    classes: Path,
    groups: ClassGroups,
    folds: Mapping[str, Path],
    seed: int,
    job: Path,
    trained_on: Sequence[Path] = (),
    learnt_from: Mapping[str, Path] | None = None,
) -> list[CellMetrics]:
    """Judge each variant by each request; writes the cells into ``job``.

    Args:
        subjects: the variants of one subject.
        requests: what they are judged by, each by those that name it.
        dataset: its name.
        split: its name.
        features: folder of the features of the variants.
        catalog: schema ``CATALOG``, for labels and file names.
        classes: schema ``CLASSES``.
        groups: of the classes.
        folds: files of support sets, by evaluation.
        seed: of the bootstrap.
        job: the folder of the job.
        trained_on: schema ``CATALOG``, of each data set that the subject was trained on, if that is
            another one than the judged.
        learnt_from: folder of the features of each split that a protocol learns from.
    """
    written = []
    trained = [one for path in trained_on for one in measure_trained(catalog, split, path)]
    shown = read_names(catalog, classes, split)
    for subject in progress(subjects, label="judge (variants)", total=len(subjects)):
        whole = read_evaluation_split(
            image_file(features, subject.variant), catalog, classes, split
        )
        learnt = {
            name: read_evaluation_split(image_file(path, subject.variant), catalog, classes, name)
            for name, path in (learnt_from or {}).items()
        }
        for request in requests:
            if subject.variant not in request.variants:
                continue
            start = time.monotonic()
            task = Task(
                options=request.options,
                whole=whole,
                groups=groups.by(request.options.seen_in, request.options.within),
                features=features,
                variant=subject.variant,
                seed=seed,
                folds=folds.get(request.evaluation),
                learnt_from=learnt,
            )
            judged: Judged = import_module(f"{PROTOCOLS}.{request.protocol}").judge(task)
            judged = replace(judged, measures=[*judged.measures, *trained])
            cost = measure_cost(time.monotonic() - start)
            names = (request.evaluation, request.protocol)
            written.append(
                write_cell(job, subject, *names, judged, cost, shown, dataset=dataset, split=split)
            )
    return written
