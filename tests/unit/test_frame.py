import json

import pytest

from nicheclip.evaluation.frame import COLUMNS, read_cells
from nicheclip.evaluation.measures import (
    CellMetrics,
    Cost,
    Measure,
    measure_cost,
    read_metrics,
    write_metrics,
)
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject

COST = Cost(wall_seconds=1.5, peak_memory_bytes=10, hardware="none")


def cell(measures: list[Measure], variant: str = "seed3", protocol: str = "few_shot"):
    return CellMetrics(
        subject=Subject(kind="trained", name="run", variant=variant),
        evaluation="task",
        dataset="squares",
        split="test",
        protocol=protocol,
        n=9,
        classes=3,
        measures=measures,
        counts={"texts": 4},
        excluded=[],
        cost=COST,
    )


def test_one_row_per_measure_with_its_cell_and_its_facets(tmp_path):
    few = cell([Measure(name="top1", facets={"shots": "5"}, value=0.5, n=4, std=0.1, chance=0.2)])
    interval = {"low": 0.2, "high": 0.9, "confidence": 0.95, "method": "bootstrap"}
    facets = {"text_type": "com", "group": "unseen", "rank": "genus"}
    zero = cell(
        [
            Measure(name="top1", value=0.25, n=9, classes=3, **interval),
            Measure(name="rank_accuracy", facets=facets, value=1, n=8),
        ],
        variant="pretrained",
        protocol="zero_shot",
    )
    write_metrics(tmp_path / "few.json", few)
    write_metrics(tmp_path / "zero.json", zero)
    frame = read_cells([tmp_path / "few.json", tmp_path / "zero.json"])
    assert frame.columns == list(COLUMNS)
    assert frame["shots"].to_list() == [5, None, None]
    assert frame["measure"].to_list() == ["top1", "top1", "rank_accuracy"]
    assert frame["value"].to_list() == [0.5, 0.25, 1.0]
    assert frame["seed"].to_list() == [3, None, None]
    names = [f"{name}.json" for name in ("few", "zero", "zero")]
    assert frame["source"].to_list() == [str(tmp_path / name) for name in names]
    assert frame.row(1, named=True)["method"] == "bootstrap"
    assert frame.row(2, named=True) == dict.fromkeys(COLUMNS) | facets | {
        "source": str(tmp_path / "zero.json"),
        "kind": "trained",
        "name": "run",
        "variant": "pretrained",
        "evaluation": "task",
        "dataset": "squares",
        "split": "test",
        "protocol": "zero_shot",
        "cell_n": 9,
        "cell_classes": 3,
        "measure": "rank_accuracy",
        "value": 1.0,
        "n": 8,
    }


def test_no_cells_are_an_empty_frame_with_all_columns():
    frame = read_cells([])
    assert dict(frame.schema) == COLUMNS
    assert frame.is_empty()


def test_a_measure_is_found_by_its_name_and_just_its_facets():
    seen = Measure(name="top1", facets={"text_type": "com", "group": "seen"}, value=0.5, n=1)
    judged = cell([seen])
    assert judged.find("top1", group="seen", text_type="com") == seen
    assert judged.find("top1") is None
    assert judged.find("top1", group="seen") is None


@pytest.mark.parametrize(
    "wrong",
    [{"facets": {"flavour": "sweet"}}, {"facets": {"shots": "five"}}, {"low": 0.1, "high": 0.2}],
)
def test_a_measure_with_an_unknown_facet_or_half_an_interval_is_refused(wrong):
    with pytest.raises(ValueError, match=r"flavour|digits|an interval has"):
        Measure(name="top1", value=0.5, n=1, **wrong)


def test_metrics_of_another_version_name_the_folder_to_delete(tmp_path):
    path = tmp_path / "run" / "seed3" / "task" / "few_shot" / "metrics.json"
    write_metrics(path, cell([]))
    assert read_metrics(path) == cell([])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"top1": 0.5}))
    with pytest.raises(InputError, match=rf"{tmp_path}/run and run the evaluate stage again"):
        read_metrics(path)
    with pytest.raises(InputError, match="expected metrics that this version"):
        read_metrics("metrics.json")


def test_cost_of_a_process_is_its_time_and_its_peak_memory():
    cost = measure_cost(1.23456, "cuda")
    assert cost.wall_seconds == 1.235
    assert cost.peak_memory_bytes > 10_000_000
    assert cost.hardware.endswith("cuda")
