"""Write what adapted models answer for images without labels: tables and a page of pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.image_set import ImageSet
from nicheclip.data.task_files import JUDGE
from nicheclip.evaluation.answers import make_answers, read_file_names, write_answers
from nicheclip.evaluation.predictions import read_class_names
from nicheclip.models.class_scores import SCORES_FILE, read_scores
from nicheclip.models.signals import SIGNALS_FILE, read_signals
from nicheclip.reporting.answers_page import answers_page
from nicheclip.runtime.files import write_text
from nicheclip.runtime.job import job
from nicheclip.subjects import CLASSIFIER_FILE

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    task, folder = snakemake.wildcards.task, Path(snakemake.output[0])
    images = ImageSet(Path(snakemake.input.texts).parent / JUDGE)
    names = read_class_names(snakemake.input.classes)
    files = read_file_names(snakemake.input.catalog)
    for adaptation, variants in snakemake.params.adapted.items():
        for place, variant in enumerate(variants):
            model = Path(snakemake.input.adapted[0]).parents[1] / adaptation / task / variant
            answers = make_answers(read_scores(model / SCORES_FILE), files)
            write_answers(folder / adaptation / variant, answers, names)
            if place == 0:
                page = answers_page(
                    f"{task}: {adaptation} ({variant})",
                    answers,
                    names,
                    images,
                    read_signals(model / SIGNALS_FILE),
                    str(model) if (model / CLASSIFIER_FILE).is_file() else None,
                )
                write_text(folder / f"{adaptation}.html", page)
