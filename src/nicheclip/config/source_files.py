"""What the config must know of the files that it names: which there are, and a table's columns."""

import csv
from pathlib import Path

from nicheclip.runtime.paths import expand_path

#: how the names of workbooks end
WORKBOOKS = (".xlsx", ".xlsm")


def matching_files(pattern: str) -> list[Path]:
    """The files that a path with ``*`` and ``?`` stands for, in the order of their names."""
    path = expand_path(pattern)
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def table_columns(path: Path, delimiter: str = ",", encoding: str = "utf-8") -> list[str]:
    """The column names of a CSV or Parquet table without white space around them.

    None where it cannot be read: the job that acquires says what is wrong.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            # only here: parsing a config need not load it
            import pyarrow.parquet as pq

            return [name.strip() for name in pq.read_schema(path).names]
        encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        with path.open(encoding=encoding, newline="") as stream:
            return [name.strip() for name in next(csv.reader(stream, delimiter=delimiter), [])]
    except (OSError, ValueError, csv.Error):
        return []
