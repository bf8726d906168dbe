"""Acquire: sources become a catalog and encoded images.

Inputs:  what the config's `datasets.<name>.source` names (nothing for the synthetic worlds)
Outputs: results/acquire/<dataset>/{catalog,classes}.parquet, images/<part>.parquet, manifest.json
"""


rule acquire_dataset:
    input:
        lambda w: PLAN.source_files(w.dataset),
    output:
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        images=directory("results/acquire/{dataset}/images"),
        manifest="results/acquire/{dataset}/manifest.json",
    log:
        "results/logs/acquire/{dataset}.log",
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
        downloads=1,
    params:
        config=lambda w: CONFIG.datasets[w.dataset].determines(),
        seed=CONFIG.seed,
        registry=str(PLAN.registry / "datasets"),
        code=lambda w: code("acquire_dataset.py", *PLAN.source_modules(w.dataset)),
    message:
        "Acquiring the data set {wildcards.dataset}"
    script:
        "../../scripts/acquire_dataset.py"
