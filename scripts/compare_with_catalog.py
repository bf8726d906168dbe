"""Say what of the config cannot be trained or judged on a data set, before anything is trained.

params.wanted: plan.findings.Wanted as plain values
output: the notes, as JSON; errors end the job
"""

import sys
from collections import Counter
from typing import TYPE_CHECKING

from nicheclip.engine.sampling import Sampling
from nicheclip.plan.findings import Wanted, findings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_json
from nicheclip.runtime.job import job
from nicheclip.schemas import CATALOG, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def batches(images: int, batch_size: int) -> int:
    """Of an epoch."""
    return Sampling((images,), batch_size, 0).batches


with job(snakemake.log[0]):
    catalog = read_table(snakemake.input.catalog, CATALOG)
    counts: dict[str, Counter[str]] = {}
    for split, label in zip(
        catalog["split"].to_pylist(), catalog["class_id"].to_pylist(), strict=True
    ):
        counts.setdefault(split, Counter())[label] += 1
    found = findings(
        snakemake.wildcards.dataset,
        Wanted.model_validate(snakemake.params.wanted),
        counts,
        batches,
    )
    notes = [one.text for one in found if one.kind == "note"]
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if errors := [one.text for one in found if one.kind == "error"]:
        raise InputError(
            "\n  ".join(["this config asks for what the images do not give:", *errors])
        )
    write_json(snakemake.output[0], notes)
