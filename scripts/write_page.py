"""Write the report's first page.

params.page: plan.page_request.PagePlan as plain values
"""

from typing import TYPE_CHECKING

from nicheclip.plan.page_request import PagePlan
from nicheclip.reporting.first_page import first_page
from nicheclip.runtime.files import write_text
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    write_text(snakemake.output[0], first_page(PagePlan.model_validate(snakemake.params.page)))
