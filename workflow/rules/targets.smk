"""Target rules: one for each stage and each paper."""


rule acquire:
    input:
        expand(rules.acquire_dataset.output.catalog, dataset=CONFIG.datasets),
    localrule: True


rule taxonomy:
    input:
        expand(rules.flatten_taxonomy.output.texts, dataset=CONFIG.datasets),
    localrule: True


rule captions:
    input:
        expand(rules.generate_captions.output.captions, captions=CONFIG.captions),
    localrule: True


rule shards:
    input:
        [file for dataset in CONFIG.datasets for file in shard_outputs(dataset)],
        expand(rules.write_shard_sizes.output.manifest, dataset=CONFIG.datasets),
    localrule: True


rule train:
    input:
        [
            f"results/train/{run}/seed{seed}/train.json"
            for run, settings in CONFIG.training.items()
            for seed in settings.seeds
        ],
    localrule: True


rule evaluate:
    input:
        [
            cell
            for evaluation in CONFIG.evaluation
            for cell in evaluation_cells(evaluation)
        ],
    localrule: True


rule tables:
    input:
        reported_tables(),
    localrule: True


rule figures:
    input:
        reported_figures(),
    localrule: True


rule report:
    input:
        rules.write_report.output,
    localrule: True
