"""Report: measures and predictions become tables, figures and one page with all of them.

Inputs:  results/evaluate/..., results/features/..., results/models/trained/.../history.csv,
         workflow/registry/tables/<paper>/<table>.yaml, workflow/registry/published/
Outputs: results/tables/<name>.{md,html,csv,tex,sources.csv}, results/figures/<name>.{svg,png},
         results/tables/leaderboard.{jsonl,html},
         results/report.html, and results/report_details.html, Snakemake's own
A paper's table is a file: it says what the rows, columns and entries are, and which figure is drawn.
"""


rule plot_training:
    input:
        [file for run in CURVES for file in PLAN.histories(run).values()],
    output:
        [
            report(
                f"results/figures/training/{run}.svg",
                category="Training",
                caption="../report/training.rst",
                labels={"run": run, "figure": "curves"},
            )
            for run in CURVES
        ],
        [f"results/figures/training/{run}.png" for run in CURVES],
    log:
        "results/logs/figures/training.log",
    priority: Priority.DRAW
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        histories={run: PLAN.histories(run) for run in CURVES},
        code=code("plot_training.py"),
    message:
        "Training curves of all runs"
    script:
        "../../scripts/plot_training.py"


rule plot_models:
    input:
        inputs_of(CONFUSIONS, EMBEDDINGS, CALIBRATIONS),
    output:
        [
            report(
                f"results/figures/{one.path}.svg",
                category="Evaluation",
                caption="../report/confusion.rst",
                labels={"run": one.title, "figure": "confusion"},
            )
            for one in CONFUSIONS
        ],
        [
            report(
                f"results/figures/{one.path}.svg",
                category="Evaluation",
                caption="../report/embedding.rst",
                labels={"run": one.title, "figure": "embedding"},
            )
            for one in EMBEDDINGS
        ],
        [
            report(
                f"results/figures/{one.path}.svg",
                category="Evaluation",
                caption="../report/calibration.rst",
                labels={"run": one.title, "figure": "calibration"},
            )
            for one in CALIBRATIONS
        ],
        [
            f"results/figures/{one.path}.png"
            for one in [*CONFUSIONS, *EMBEDDINGS, *CALIBRATIONS]
        ],
    log:
        "results/logs/figures/models.log",
    priority: Priority.DRAW
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        confusions=[settings(one) for one in CONFUSIONS],
        embeddings=[settings(one) for one in EMBEDDINGS],
        calibrations=[settings(one) for one in CALIBRATIONS],
        code=code("plot_models.py"),
    message:
        "Confusion matrices, embeddings and calibration of all models"
    script:
        "../../scripts/plot_models.py"


if ADAPTATION_FIGURES:

    rule plot_adapted:
        input:
            [
                manifest
                for task in ADAPTATION_FIGURES.tasks
                for manifest in PLAN.adaptations.manifests(task.name)
            ],
            ADAPTATION_FIGURES.acquired,
            start=PLAN.adaptations.start(ADAPTATION_FIGURES.shown).files(),
            tasks=expand(
                rules.draw_task.output.texts,
                task=[task.name for task in ADAPTATION_FIGURES.tasks],
            ),
        output:
            [
                report(
                    f"results/figures/{path}.svg",
                    category="FAIR",
                    caption=f"../report/{Path(path).name}.rst",
                    labels={"result": title},
                )
                for path, title in TITLES.items()
            ],
            [f"results/figures/{path}.png" for path in TITLES],
        log:
            "results/logs/figures/adapted.log",
        localrule: True
        conda:
            "../../envs/train.yaml"
        params:
            figures=settings(ADAPTATION_FIGURES),
            code=code("plot_adapted.py"),
        message:
            "Pseudo-labels, crop weights and a hard group of adaptation"
        script:
            "../../scripts/plot_adapted.py"


rule tabulate_evaluations:
    input:
        list(dict.fromkeys(cell.job for cell in PLAN.all_cells())),
        others=CONFIG.leaderboard.files,
    output:
        *[
            file
            for evaluation in PLAN.judged
            for file in table(
                f"evaluation/{evaluation}",
                category="Evaluation",
                caption="../report/evaluation.rst",
                labels={"run": "all", "figure": f"table, {evaluation}"},
            ).values()
        ],
        leaderboard="results/tables/leaderboard.jsonl",
        leaderboard_page="results/tables/leaderboard.html",
        leaderboard_markdown="results/tables/leaderboard.md",
        leaderboard_latex="results/tables/leaderboard.tex",
    log:
        "results/logs/tables/evaluation.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        metrics={
            evaluation: [cell.metrics for cell in PLAN.cells(evaluation)]
            for evaluation in PLAN.judged
        },
        scale=CONFIG.scale,
        code=code("tabulate_evaluations.py"),
    message:
        "Tables of everything that the evaluations judge, and the leaderboard"
    script:
        "../../scripts/tabulate_evaluations.py"


rule make_table:
    input:
        lambda w: TABLES.by_name[w.table].inputs,
    output:
        **table("{table}", **in_paper()),
        **figure("{table}", **in_paper(", as a figure")),
    log:
        "results/logs/tables/{table}.log",
    wildcard_constraints:
        table=names(tables=True, figures=True),
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        request=lambda w: settings(TABLES.by_name[w.table].request),
        caption=lambda w: TABLES.by_name[w.table].caption,
        scale=CONFIG.scale,
        code=lambda w: code("make_table.py", *TABLES.by_name[w.table].modules),
    message:
        "Table {wildcards.table}"
    script:
        "../../scripts/make_table.py"


localrules:
    make_table_alone,
    make_figure,


use rule make_table as make_table_alone with:
    output:
        **table("{table}", **in_paper()),
    wildcard_constraints:
        table=names(tables=True, figures=False),


use rule make_table as make_figure with:
    output:
        **figure("{table}", **in_paper()),
        json="results/figures/{table}.json",
    log:
        "results/logs/figures/{table}.log",
    wildcard_constraints:
        table=names(tables=False, figures=True),
    priority: Priority.DRAW
    message:
        "Figure {wildcards.table}"


# one target for each paper that the config has
for paper in TABLES.papers:

    rule:
        name:
            paper
        input:
            [file for one in TABLES.of(paper) for file in one.outputs],
        localrule: True


rule write_config:
    output:
        "results/config.json",
    log:
        "results/logs/config.log",
    localrule: True
    conda:
        "../../envs/driver.yaml"
    params:
        # of a rehearsal what it runs, for the report is written in its folder
        config=(
            CONFIG.model_dump(mode="json", exclude_unset=True)
            if CONFIG.rehearsal
            else config
        ),
        code=code("write_config.py"),
    message:
        "The config of this run"
    script:
        "../../scripts/write_config.py"


rule write_report:
    input:
        reported_tables(),
        reported_figures(),
        config=rules.write_config.output,
        captions=sorted(map(str, (REGISTRY.parent / "report").glob("*.rst"))),
    output:
        DETAILS,
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../../envs/driver.yaml"
    params:
        snakefile=SNAKEFILE,
        code=code("write_report.py"),
    message:
        "All tables and figures, and the workflow: {output}"
    script:
        "../../scripts/write_report.py"


rule write_page:
    input:
        PAGE.inputs(),
        config=rules.write_config.output,
        jobs=list(dict.fromkeys(cell.job for cell in PLAN.all_cells())),
    output:
        "results/report.html",
        PAGE.pages,
    log:
        "results/logs/page.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        page=settings(PAGE),
        code=code("write_page.py"),
    message:
        "The report: {output[0]}"
    script:
        "../../scripts/write_page.py"
