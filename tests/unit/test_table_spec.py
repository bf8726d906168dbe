"""What a table's file may say, and what the config must have for it."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nicheclip.config.tables import TableSpec, read_table_spec
from nicheclip.reporting import figure_kinds, row_code
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, ROOT, config, tables

FILES = sorted((REGISTRY / "tables").glob("*/*.yaml"))

VALID = yaml.safe_load("""
title: "A table"
label: A
caption: About it.
rows:
  - {axis: run, of: $rows}
entry: {evaluation: $evaluation, protocol: text_types, text_type: com, group: all}
columns:
  - {key: model, label: Model, text: "{run}"}
  - {key: top1, label: Top-1}
""")


def changed(path, value, values=VALID):
    """A copy with the value at a dotted path replaced, or taken away with ``...``."""
    values = copy.deepcopy(values)
    *sections, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = values
    for key in sections:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return values


def registry(folder, table, name="own", paper="bioclip"):
    """A registry with one table of ours."""
    file = folder / "tables" / paper / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(table))
    (folder / "published").symlink_to(REGISTRY / "published")
    return folder


def test_every_table_of_the_project_is_valid():
    assert len(FILES) >= 10
    for file in FILES:
        assert read_table_spec(file).caption.endswith(".")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("titel", "x", r"titel: unknown key 'titel'; did you mean 'title'"),
        ("title", ..., r"the key 'title' is missing"),
        (
            "columns.1.mesure",
            "x",
            r"line \d+: columns.1.mesure: unknown key 'mesure'; did you mean 'measure'",
        ),
        ("rows.0.axis", "runs", r"line \d+: rows.0.axis: Input should be 'run'.*given: 'runs'"),
        ("rows.0.values", [{"value": 1, "shot": 2}], r"unknown key 'shot'; did you mean 'shots'"),
        ("columns.1.key", ..., r"the column 'Top-1' needs a key"),
        ("columns.0.text", ..., r"columns: none has text"),
        ("columns", [], r"a table needs columns"),
        ("figure", {"kind": "pie"}, r"figure: .*'dots'"),
        (
            "figure",
            {"kind": "dots", "lines": "model", "panels": "model", "value": "top5"},
            r"figure.value: no value column is called 'top5'; did you mean 'top1'",
        ),
        ("mark", {"columns": ["to1"]}, r"mark.columns: no value column is called 'to1'; did you"),
        ("compare", {"row": {"run": "x"}}, r"compare.row: no text column is called 'run'"),
        ("code", "magic", r"code: Input should be 'rank_chance', 'paired_effect'"),
    ],
)
def test_an_error_names_the_file_the_key_and_the_way_out(tmp_path, path, value, message):
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)))
    with pytest.raises(InputError, match=rf"own\.yaml: not a table.(.|\n)*{message}"):
        read_table_spec(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", ", line 1: not YAML"),
        ("- a list", ": expected the keys"),
        ("", ": expected the keys"),
        ("title: a\ntitle: b", ", line 2: the key 'title' repeats that of line 1"),
    ],
)
def test_what_is_no_table_at_all_is_named(tmp_path, text, message):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"own\.yaml{message}"):
        read_table_spec(file)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("rows.0.of", "$row", r"\$row: papers.bioclip has no key 'row'; did you mean 'rows'"),
        ("entry.group", "$row.class", r"the row has no key 'class'"),
        ("entry.evaluation", "arbr", r"no evaluation is called 'arbr'; did you mean 'arbor'"),
        (
            "rows",
            [{"axis": "run", "values": ["x"]}],
            r"no training run or start model is called 'x'",
        ),
        ("title", "{textype}", r"no word for 'textype'; valid: .*text_type"),
        ("columns.0.text", "{model}", r"no word for 'model'; valid: .*run"),
        ("published", {"csv": "x.csv", "row": {"model": "m"}, "value": "v"}, r"no file .*x\.csv"),
    ],
)
def test_what_the_paper_does_not_have_is_named(tmp_path, path, value, message):
    with pytest.raises(InputError, match=rf"own\.yaml: .*{message}"):
        tables(config("arbor"), registry(tmp_path, changed(path, value)))


def test_rows_that_no_text_tells_apart_are_refused(tmp_path):
    axes = [*VALID["rows"], {"axis": "text_type"}]
    with pytest.raises(
        InputError, match=r"own\.yaml: two rows are called nicheclip-tiny; tell them"
    ):
        tables(config("arbor"), registry(tmp_path, changed("rows", axes)))


def test_a_table_of_no_run_is_refused(tmp_path):
    table = changed("columns.0.text", "{rank}", changed("rows", [{"axis": "rank"}]))
    with pytest.raises(InputError, match=r"own\.yaml: entry.run: none is given"):
        tables(config("arbor"), registry(tmp_path, table))


@pytest.mark.parametrize(
    ("protocols", "message"),
    [
        (["zero_shot"], "papers.fungalzsl: .*'visual' lacks the protocol retrieval; add it to"),
        (["retrieval"], r"'visual' lacks the protocol zero_shot.*needed by fungalzsl_figure_4"),
    ],
)
def test_a_paper_needs_the_protocols_of_its_tables(protocols, message):
    with pytest.raises(InputError, match=message):
        tables(config("tiny", evaluation__visual__protocols=protocols))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"papers__bioclip__evaluation": "unseen"}, "'unseen' lacks the protocol text_types"),
        ({"papers__bioclip__few_shot": ["arbor"]}, "'arbor' lacks the protocol few_shot"),
        (
            {"papers__bioclip__text_type": "sci"},
            "'arbor' does not test the text type sci; add",
        ),
        ({"evaluation__unseen__split": "val"}, "'arbor' do not have the same split"),
        (
            {"evaluation__arbor__runs": ["arbor-com"]},
            "does not judge trained/arbor-tiny; add",
        ),
    ],
)
def test_bioclip_needs_what_its_tables_compare(change, message):
    with pytest.raises(InputError, match=message):
        tables(config("arbor", **change))


def test_few_shot_evaluations_of_all_classes_need_no_seen_species():
    change = {"evaluation__unseen__classes": "all", "evaluation__unseen__seen_in": None}
    request = tables(config("arbor", **change)).by_name["bioclip_few_shot"].request
    assert request.rows[0].texts["species"] == "all"
    assert request.rows[0].entries["accuracy"].facets == {"text_type": "taxon_com", "group": "all"}


def other_data(values, run, **changes):
    (dataset,) = values["datasets"]
    values["datasets"]["other"] = values["datasets"][dataset]
    values["training"][run] |= {"dataset": "other", **changes}
    return values


def test_bioclips_runs_train_on_the_data_that_decides_what_is_seen():
    runs = ["arbor-com", "arbor-tiny"]
    values = other_data(config("arbor", evaluation__arbor__runs=runs), "arbor-com")
    with pytest.raises(InputError, match="'arbor-com' is trained on 'other', but the evaluation"):
        tables(values)


def test_a_run_of_other_data_is_not_judged_unless_it_is_listed():
    values = other_data(config("tiny"), "fungi-tiny", texts={"types": {"com": 1}})
    values["datasets"]["other"] = {**values["datasets"]["other"], "captions": None}
    values["training"]["fungi-tiny"]["recipe"] = {"kind": "contrastive"}
    message = (
        r"does not judge trained/fungi-tiny: the run is trained on 'other', .* of 'fungi'; runs"
    )
    with pytest.raises(InputError, match=message):
        tables(values)
    for evaluation in values["evaluation"].values():
        evaluation["runs"] = ["fungi-tiny"]
    with pytest.raises(InputError, match="'fungi-tiny' is trained on 'other', the evaluation"):
        tables(values)


def test_a_table_is_made_from_the_jobs_that_judge_its_cells():
    found = tables(config("arbor")).by_name
    judged = "results/evaluate/arbor/test"
    assert found["bioclip_text_types"].inputs == [
        f"{judged}/trained/arbor-tiny",
        f"{judged}/start/tiny",
    ]
    assert found["bioclip_tree"].inputs == [
        "results/features/arbor/test/start/tiny/manifest.json",
        "results/features/arbor/test/trained/arbor-tiny/manifest.json",
        "results/acquire/arbor/catalog.parquet",
        "results/acquire/arbor/classes.parquet",
    ]
    assert found["bioclip_few_shot"].inputs[-1].endswith("published/bioclip_rare_species.csv")
    figure = tables(config("tiny")).by_name["fungalzsl_figure_5"]
    assert "results/acquire/fungi/test/images.arrow" in figure.inputs
    assert figure.outputs == ["results/figures/fungalzsl_figure_5.svg"]
    assert figure.modules == ["nicheclip.reporting.figure_kinds.pictures"]


def test_a_table_with_rows_waits_for_its_cells_whatever_its_file_says_it_reads():
    table = tables(config("tiny")).by_name["fungalzsl_1"]
    before = table.inputs
    table.spec = table.spec.model_copy(update={"reads": []})
    assert table.inputs == before and len(before) > 2


def test_only_papers_of_the_config_have_tables():
    assert tables(config("tiny")).papers == ["fungalzsl"]
    values = config("tiny")
    del values["papers"]
    assert tables(values).papers == [] and tables(values).by_name == {}


def test_a_paper_without_a_table_is_no_empty_success(tmp_path):
    with pytest.raises(InputError, match=r"tables/bioclip: no table; expected a YAML file"):
        tables(config("arbor"), tmp_path)


def names_of(package):
    (folder,) = package.__path__
    return {file.stem for file in Path(folder).glob("*.py")} - {"__init__"}


def test_every_kind_and_code_that_a_file_may_name_has_a_module():
    schema = TableSpec.model_json_schema()
    options = schema["properties"]["code"]["anyOf"][0]["enum"]
    assert set(options) == names_of(row_code)
    kinds = schema["properties"]["figure"]["anyOf"][0]["discriminator"]["mapping"]
    assert set(kinds) == names_of(figure_kinds)


def test_the_specification_imports_neither_torch_nor_matplotlib_nor_polars():
    code = "import nicheclip.plan.tables, sys; print(*sys.modules)"
    environment = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "nicheclip" in loaded and not loaded & {"torch", "matplotlib", "polars", "numpy"}
