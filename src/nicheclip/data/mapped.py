"""Tables that are mapped into memory: opening one costs the same for any number of rows.

Arrow reads such a file (an Arrow IPC file) in place, and the operating system keeps one copy for
all processes that look into it.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path

#: key of a file's metadata; its value is JSON
FACTS = b"nicheclip"


class MappedWriter:
    """Writes a file for ``MappedTable``, under its name when all is there."""

    def __init__(self, target: Path, schema: pa.Schema, *, facts: Any = None) -> None:
        """Say what is written.

        Args:
            target: written.
            schema: of the rows. Columns with dictionaries have the same one in all batches.
            facts: kept beside the rows, as JSON.
        """
        self._target, self._schema = target, schema
        self._described = schema.with_metadata({FACTS: json.dumps(facts)})

    def add(self, table: pa.Table) -> None:
        """Add a record batch."""
        one = table.select(self._schema.names).combine_chunks()
        columns = [_one_chunk(one[field.name], field.type) for field in self._schema]
        self._writer.write_batch(pa.record_batch(columns, schema=self._described))

    def __enter__(self) -> "MappedWriter":
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self._target))
            stream = stack.enter_context(pa.OSFile(str(temporary), "wb"))
            self._writer = stack.enter_context(pa.ipc.new_file(stream, self._described))
            self._files = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, traceback)


def write_mapped(
    target: Path, schema: pa.Schema, batches: Iterable[pa.Table], *, facts: Any = None
) -> None:
    """Write a file for ``MappedTable``; one of ``batches``, each a record batch, is in memory."""
    with MappedWriter(target, schema, facts=facts) as writer:
        for table in batches:
            writer.add(table)


def _one_chunk(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    chunks = column.chunks
    return chunks[0].cast(kind) if chunks else pa.array([], kind)


class MappedTable:
    """An open file of ``write_mapped``. A pickled one is its path.

    Raises:
        InputError: the file is absent, damaged, or has other columns.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        if not path.is_file():
            raise InputError(f"{path}: not there. Run the stage that makes it first.")
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self.batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, str(error)) from error
        if reader.schema != schema:
            raise _unreadable(path, "it has other columns")
        self.facts: Any = json.loads((reader.schema.metadata or {}).get(FACTS, b"null"))
        self.sizes = [batch.num_rows for batch in self.batches]
        """Rows of each batch."""
        self._ends = list(accumulate(self.sizes))

    def __reduce__(self) -> tuple[type["MappedTable"], tuple[Path, pa.Schema]]:
        return MappedTable, (self.path, self.schema)

    def __len__(self) -> int:
        return self._ends[-1] if self.sizes else 0

    def locate(self, row: int) -> tuple[int, int]:
        """Batch, and row within it, of row number ``row``.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} in {self.path}")
        batch = bisect_right(self._ends, row)
        return batch, row - self._ends[batch] + self.sizes[batch]

    def cell(self, name: str, row: int) -> Any:
        """Column ``name`` in row number ``row``, as a Python value."""
        batch, place = self.locate(row)
        return self.batches[batch].column(name)[place].as_py()

    def column(self, name: str) -> pa.ChunkedArray:
        """A whole column, in place."""
        kind = self.schema.field(name).type
        return pa.chunked_array([batch.column(name) for batch in self.batches], kind)


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: not a readable table of this version ({reason}). Delete it and run the workflow "
        "again."
    )
