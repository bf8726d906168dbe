"""FungalZSL: Table 1 and figures 4 and 5.

Inputs:  results/evaluate/..., workflow/registry/tables/fungalzsl_1.csv
Outputs: results/tables/fungalzsl_1.{md,csv,tex,sources.csv}, results/figures/fungalzsl_*.{svg,png}
"""

FUNGALZSL = CONFIG.papers.fungalzsl


def fungalzsl_cells():
    """The metrics of each row of Table 1: trained, untrained, baseline."""
    task = CONFIG.evaluation[FUNGALZSL.evaluation]
    root = f"results/evaluate/{FUNGALZSL.evaluation}"
    rows = {}
    for label, run in FUNGALZSL.rows.items():
        folders = run_folders(run)
        rows[label] = {
            origin: [
                f"{root}/{f}/retrieval/metrics.json"
                for f in folders
                if f.startswith(origin)
            ]
            for origin in ("train", "models")
        } | {
            "baseline": [f"{root}/baseline/colour_histogram/metrics.json"]
            * task.baseline
        }
    return rows


def fungalzsl_source(evaluation):
    """Zero-shot predictions of the run that figures 4 and 5 show."""
    run = FUNGALZSL.figures_from
    seed = CONFIG.training[run].seeds[0]
    return f"results/evaluate/{evaluation}/train/{run}/seed{seed}/zero_shot/predictions.parquet"


def fungalzsl_outputs():
    figures = ["fungalzsl_1", "fungalzsl_figure_4", "fungalzsl_figure_5"]
    return expand(
        "results/tables/fungalzsl_1.{kind}", kind=["md", "csv", "tex"]
    ) + expand("results/figures/{name}.svg", name=figures)


rule fungalzsl_table_1:
    input:
        [
            path
            for row in fungalzsl_cells().values()
            for cells in row.values()
            for path in cells
        ],
        published=str(REGISTRY / "tables" / "fungalzsl_1.csv"),
    output:
        **figure(
            "fungalzsl_1",
            category="FungalZSL",
            caption="../report/fungalzsl_1.rst",
            labels={"paper": "FungalZSL", "result": "Table 1 as a figure"},
        ),
        md=report(
            "results/tables/fungalzsl_1.md",
            category="FungalZSL",
            caption="../report/fungalzsl_1.rst",
            labels={"paper": "FungalZSL", "result": "Table 1"},
        ),
        csv="results/tables/fungalzsl_1.csv",
        tex="results/tables/fungalzsl_1.tex",
        sources="results/tables/fungalzsl_1.sources.csv",
    log:
        "results/logs/tables/fungalzsl_1.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        rows=fungalzsl_cells(),
        scale=CONFIG.scale,
        code=code("fungalzsl_table_1.py"),
    message:
        "FungalZSL, Table 1"
    script:
        "../../scripts/fungalzsl_table_1.py"


rule fungalzsl_figure_4:
    input:
        sources=[
            fungalzsl_source(evaluation) for evaluation in FUNGALZSL.caption_sources
        ],
        classes=f"results/acquire/{CONFIG.evaluation[FUNGALZSL.evaluation].dataset}/classes.parquet",
    output:
        **figure(
            "fungalzsl_figure_4",
            category="FungalZSL",
            caption="../report/fungalzsl_figure_4.rst",
            labels={"paper": "FungalZSL", "result": "Figure 4"},
        ),
    log:
        "results/logs/figures/fungalzsl_figure_4.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        sources=FUNGALZSL.caption_sources,
        code=code("fungalzsl_figure_4.py"),
    message:
        "FungalZSL, Figure 4: class probabilities by source of texts"
    script:
        "../../scripts/fungalzsl_figure_4.py"


rule fungalzsl_figure_5:
    input:
        predictions=fungalzsl_source(FUNGALZSL.evaluation),
        shards=split_shards(
            CONFIG.evaluation[FUNGALZSL.evaluation].dataset,
            CONFIG.evaluation[FUNGALZSL.evaluation].split,
        ),
        classes=f"results/acquire/{CONFIG.evaluation[FUNGALZSL.evaluation].dataset}/classes.parquet",
    output:
        **figure(
            "fungalzsl_figure_5",
            category="FungalZSL",
            caption="../report/fungalzsl_figure_5.rst",
            labels={"paper": "FungalZSL", "result": "Figure 5"},
        ),
    log:
        "results/logs/figures/fungalzsl_figure_5.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        seed=CONFIG.seed,
        code=code("fungalzsl_figure_5.py"),
    message:
        "FungalZSL, Figure 5: a grid of predictions"
    script:
        "../../scripts/fungalzsl_figure_5.py"


rule fungalzsl:
    input:
        fungalzsl_outputs(),
    localrule: True
