"""Shards: a data set as self-contained WebDataset tars, for other people's tools.

Inputs:  the outputs of acquire, taxonomy and captions
Outputs: results/shards/<dataset>/<split>/<tar>.tar
No other stage reads them: images lie with what was acquired, texts with taxonomy and captions.
"""


rule write_shard:
    input:
        splits=lambda w: PLAN.split_files(w.dataset),
        catalog=rules.curate_dataset.output.catalog,
        classes=rules.curate_dataset.output.classes,
        texts=rules.flatten_taxonomy.output.texts,
        class_texts=rules.flatten_taxonomy.output.class_texts,
        captions=lambda w: PLAN.own_captions(w.dataset),
    output:
        [f"results/shards/{{dataset}}/{split}/{{tar}}.tar" for split in SPLITS],
    log:
        "results/logs/shards/{dataset}/{tar}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1500, 2),
        runtime=minutes(60, 0.1),
    params:
        splits=SPLITS,
        code=code("write_shard.py"),
    message:
        "Writing shard {wildcards.tar} of {wildcards.dataset}"
    script:
        "../../scripts/write_shard.py"
