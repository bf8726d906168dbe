"""Taxonomy: the ranks of each class become text types.

Inputs:  results/acquire/<dataset>/classes.parquet, the checklists that the config names
Outputs: results/taxonomy/<dataset>/{taxa,texts,resolutions}.parquet, class_texts.arrow (the texts
         as training reads them), manifest.json; with checklists also results/checklists/{names,vernaculars}.parquet, manifest.json
"""

if CONFIG.taxonomy.providers:

    rule read_checklists:
        input:
            PLAN.checklist_files(),
        output:
            names="results/checklists/names.parquet",
            vernaculars="results/checklists/vernaculars.parquet",
            manifest="results/checklists/manifest.json",
        log:
            "results/logs/checklists.log",
        conda:
            "../../envs/data.yaml"
        resources:
            mem_mb=memory(4000, 4),
            runtime=minutes(60, 0.1),
        params:
            config=settings(CONFIG.taxonomy),
            code=code("read_checklists.py"),
        message:
            "Reading the checklists"
        script:
            "../../scripts/read_checklists.py"


rule flatten_taxonomy:
    input:
        classes=rules.curate_dataset.output.classes,
        names=PLAN.checklists("names"),
        vernaculars=PLAN.checklists("vernaculars"),
    output:
        taxa="results/taxonomy/{dataset}/taxa.parquet",
        texts="results/taxonomy/{dataset}/texts.parquet",
        class_texts="results/taxonomy/{dataset}/class_texts.arrow",
        resolutions="results/taxonomy/{dataset}/resolutions.parquet",
        manifest="results/taxonomy/{dataset}/manifest.json",
    log:
        "results/logs/taxonomy/{dataset}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1500, 10),
        runtime=minutes(30, 0.1),
    params:
        config=settings(CONFIG.taxonomy),
        code=code("flatten_taxonomy.py"),
    message:
        "Flattening the taxonomy of {wildcards.dataset}"
    script:
        "../../scripts/flatten_taxonomy.py"
