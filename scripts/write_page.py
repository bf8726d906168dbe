"""Write the report's first page, and the pages of pictures that it links.

params.page: plan.page_request.PagePlan as plain values
output[0]: the report; the others: its ``pages``
"""

import os.path
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.plan.page_request import PagePlan
from nicheclip.reporting.first_page import first_page
from nicheclip.reporting.predictions_page import predictions_page
from nicheclip.runtime.files import write_text
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    report = snakemake.output[0]
    plan = PagePlan.model_validate(snakemake.params.page)
    write_text(report, first_page(plan))
    for path, part in zip(plan.pages, plan.predictions.values(), strict=True):
        write_text(path, predictions_page(part, os.path.relpath(report, Path(path).parent)))
