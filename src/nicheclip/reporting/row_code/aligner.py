"""How well an alignment's linear map fits the images that it was fitted to."""

from collections.abc import Mapping
from pathlib import Path

from nicheclip.plan.table_request import Row, TableRequest
from nicheclip.reporting.table import Content, Number
from nicheclip.runtime.files import read_json
from nicheclip.subjects import aligned_manifest


def entries(request: TableRequest, row: Row) -> Mapping[str, Content] | None:
    """``r2`` and ``mse``, both sides at the published variance, and ``fitted`` images."""
    del request
    manifest = aligned_manifest(row.entry.name, row.entry.variants[0])
    found = read_json(Path(manifest))["config"]["map"]
    return {
        "r2": Number(found["r2_overall"], 3),
        "mse": Number(found["mse"], 3),
        "fitted": Number(found["images"], 0),
    }
