"""BioCLIP: what taxonomic text changes, as a table and as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.bioclip_effect import Arm, effect_table
from nicheclip.reporting.bioclip_figures import effect_figure
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    arms = {
        label: Arm(label, arm["text_type"], tuple(map(Path, arm["predictions"])))
        for label, arm in snakemake.params.arms.items()
    }
    table = effect_table(
        [(arms[first], arms[second]) for first, second in snakemake.params.comparisons],
        resamples=snakemake.params.bootstrap,
        confidence=snakemake.params.confidence,
        seed=snakemake.params.seed,
        scale=snakemake.params.scale,
    )
    write_table(table, Path(snakemake.output.md).parent, "bioclip_taxonomy_effect")
    figure = effect_figure(table)
    save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
