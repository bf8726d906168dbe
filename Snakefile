"""NicheCLIP: from raw images to a domain-adapted CLIP and the tables that judge it.

`snakemake --cores 2` runs the demo (config.yaml); `--configfile FILE` replaces that config whole.
Targets: all (default), the stages acquire, taxonomy, captions, shards, train, adapt, evaluate,
tables, report, and each paper that the config names (fungalzsl, bioclip, fair).
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/Snakefile"


rule all:
    default_target: True
    input:
        rules.evaluate.input,
        rules.tables.input,
        rules.figures.input,
        rules.report.input,
