"""Target rules: one for each stage and each paper."""

FINDINGS = expand(rules.compare_with_catalog.output, dataset=CONFIG.datasets)


rule acquire:
    input:
        expand(rules.curate_dataset.output.catalog, dataset=CONFIG.datasets),
    localrule: True


rule taxonomy:
    input:
        expand(rules.flatten_taxonomy.output.texts, dataset=CONFIG.datasets),
    localrule: True


rule captions:
    input:
        expand(rules.judge_captions.output.captions, captions=CONFIG.captions),
    localrule: True


rule shards:
    input:
        [
            file
            for dataset in CONFIG.datasets
            for file in expand(
                rules.write_shard.output, dataset=dataset, tar=PLAN.tars(dataset)
            )
        ],
    localrule: True


rule train:
    input:
        FINDINGS,
        [
            f"{subject.folder}/train.json"
            for run in CONFIG.training
            for subject in PLAN.trained(run)
        ],
        [
            f"{folder}/train.json"
            for pretraining in CONFIG.pretraining
            for folder in PLAN.alignments.backbones(pretraining)
        ],
        [
            f"{PLAN.alignments.result(alignment).folder}/manifest.json"
            for alignment in CONFIG.alignment
        ],
    localrule: True


rule adapt:
    input:
        expand(rules.adapt_model.output.manifest, job=PLAN.adaptations.jobs),
        expand(rules.show_answers.output, task=PLAN.adaptations.unlabelled),
    localrule: True


rule evaluate:
    input:
        FINDINGS,
        list(dict.fromkeys(cell.job for cell in PLAN.all_cells())),
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
        expand(rules.show_answers.output, task=PLAN.adaptations.unlabelled),
        rules.write_page.output,
        rules.write_report.output,
    localrule: True
