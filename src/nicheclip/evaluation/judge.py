"""All cells of a job: the variants of a subject, judged by each protocol on one split."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from nicheclip.evaluation.cell_files import write_cell
from nicheclip.evaluation.evaluation_split import EvaluationSplit, read_evaluation_split
from nicheclip.evaluation.feature_files import image_file
from nicheclip.evaluation.measures import CellMetrics, measure_cost
from nicheclip.evaluation.requests import Request
from nicheclip.evaluation.seen_classes import ClassGroups
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.evaluation.task import Judged, Task
from nicheclip.evaluation.trained_images import measure_all_trained
from nicheclip.runtime.progress import progress
from nicheclip.subjects import Subject

#: the package of the protocols; the file of each has its name
PROTOCOLS = "nicheclip.evaluation.protocols"


@dataclass(frozen=True)
class SubjectFiles:
    """What a subject's variants are judged from."""

    features: Path
    """Folder of the features of the judged split."""
    learnt_from: Mapping[str, Path] = field(default_factory=dict)
    """Folder of the features of each split that a protocol learns from."""
    folds: Mapping[str, Path] = field(default_factory=dict)
    """Files of support sets, by evaluation."""


def judge_subjects(
    subjects: Sequence[Subject],
    requests: Sequence[Request],
    tables: SplitTables,
    files: SubjectFiles,
    groups: ClassGroups,
    *,
    seed: int,
    job: Path,
) -> list[CellMetrics]:
    """Judge each variant by each request; writes the cells into ``job``.

    Args:
        subjects: the variants of one subject.
        requests: what they are judged by, each by those that name it.
        tables: of the judged split.
        files: of the variants.
        groups: of the classes.
        seed: of the bootstrap.
        job: the folder of the job.
    """
    written = []
    trained = measure_all_trained(tables)
    for subject in progress(subjects, label="judge (variants)", total=len(subjects)):
        whole = _read(files.features, subject, tables, tables.split)
        learnt = {
            split: _read(folder, subject, tables, split)
            for split, folder in files.learnt_from.items()
        }
        for request in requests:
            if subject.variant not in request.variants:
                continue
            start = time.monotonic()
            task = Task(
                options=request.options,
                whole=whole,
                groups=groups.by(request.options.seen_in, request.options.within),
                features=files.features,
                variant=subject.variant,
                seed=seed,
                folds=files.folds.get(request.evaluation),
                learnt_from=learnt,
            )
            judged: Judged = import_module(f"{PROTOCOLS}.{request.protocol}").judge(task)
            judged = replace(judged, measures=[*judged.measures, *trained])
            cost = measure_cost(time.monotonic() - start)
            names = (request.evaluation, request.protocol)
            written.append(write_cell(job, tables, subject, *names, judged, cost))
    return written


def _read(features: Path, subject: Subject, tables: SplitTables, split: str) -> EvaluationSplit:
    file = image_file(features, subject.variant)
    return read_evaluation_split(file, tables.catalog, tables.classes, split)
