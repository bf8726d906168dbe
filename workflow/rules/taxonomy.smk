"""Taxonomy: the ranks of each class become text types.

Inputs:  results/acquire/<dataset>/classes.parquet
Outputs: results/taxonomy/<dataset>/{taxa,texts}.parquet, manifest.json
"""


rule flatten_taxonomy:
    input:
        classes=rules.acquire_dataset.output.classes,
    output:
        taxa="results/taxonomy/{dataset}/taxa.parquet",
        texts="results/taxonomy/{dataset}/texts.parquet",
        manifest="results/taxonomy/{dataset}/manifest.json",
    log:
        "results/logs/taxonomy/{dataset}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1000, 20),
        runtime=minutes(15),
    params:
        code=code("flatten_taxonomy.py"),
    message:
        "Flattening the taxonomy of {wildcards.dataset}"
    script:
        "../../scripts/flatten_taxonomy.py"
