"""Records of measured numbers as JSON files, refused when another version wrote them."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from nicheclip.runtime.errors import reading
from nicheclip.runtime.files import read_json, write_json

AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def write_record(path: Path | str, record: BaseModel) -> None:
    """Write ``record`` as JSON."""
    write_json(path, record.model_dump(mode="json"))


def read_record(
    path: Path | str,
    kind: type[AnyRecord],
    *,
    name: str,
    stage: str = "",
    remedy: str = "",
) -> AnyRecord:
    """The record of type ``kind`` at ``path``.

    Args:
        path: a file that ``write_record`` wrote.
        kind: of record.
        name: of its content, for the error message.
        stage: of the workflow that writes it, for the error message.
        remedy: what to do, where deleting the file and running the stage is not enough.

    Raises:
        InputError: absent, or written by another version.
    """
    remedy = remedy or f"Delete the file and run the {stage} stage again."
    with reading(path, f"{name} that this version can read", remedy):
        return kind.model_validate(read_json(path))
