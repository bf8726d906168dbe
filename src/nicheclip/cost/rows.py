"""One line of what a config will cost, whatever kind of job it is of."""

from collections.abc import Sequence
from dataclasses import dataclass

from nicheclip.runtime.csv_file import csv_text

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class CostRow:
    """An entry of the config, or a part of it."""

    entry: str
    """Of the config, with its section."""
    what: str
    """The method, recipe or model."""
    data: str
    """The task or data set."""
    images: int | None
    """That train, in an epoch; None where nobody knows yet."""
    epochs: int
    seeds: int
    forward: float
    """Views an image and epoch."""
    backward: float
    operations: float | None
    """Floating-point operations of all epochs and seeds; None where images or model are unknown."""
    note: str = ""

    def hours(self, teraflops: float) -> float | None:
        """On a device that does ``teraflops`` * 10^12 operations a second."""
        if self.operations is None:
            return None
        return self.operations / (teraflops * 1e12) / SECONDS_AN_HOUR


HEADER = (
    "entry",
    "what",
    "data",
    "images",
    "epochs",
    "seeds",
    "forward",
    "backward",
    "petaflop",
    "gpu_hours",
    "note",
)


def as_csv(rows: Sequence[CostRow], teraflops: float | None) -> str:
    """A line for each row, empty where a number is not known."""
    return csv_text([list(HEADER), *(_fields(row, teraflops) for row in rows)])


def as_text(rows: Sequence[CostRow], teraflops: float | None) -> str:
    """The same in columns, and the sum of what is known."""
    fields = [list(HEADER), *(_fields(row, teraflops) for row in rows)]
    widths = [max(len(row[i]) for row in fields) for i in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in (0, 1, 2, 10) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in fields
    ]
    known = [row for row in rows if row.operations is not None]
    total = sum(row.operations or 0.0 for row in known)
    line = f"\n{len(known)} of {len(rows)} rows: {total / 1e15:,.1f} petaflop"
    if teraflops:
        hours = total / (teraflops * 1e12) / SECONDS_AN_HOUR
        line += f", {hours:,.1f} GPU hours at {teraflops:g} teraflop/s"
    return "\n".join([*lines, line + "."])


def _fields(row: CostRow, teraflops: float | None) -> list[str]:
    hours = row.hours(teraflops) if teraflops else None
    return [
        row.entry,
        row.what,
        row.data,
        "" if row.images is None else str(row.images),
        str(row.epochs),
        str(row.seeds),
        f"{row.forward:.3g}",
        f"{row.backward:.3g}",
        "" if row.operations is None else f"{row.operations / 1e15:.4g}",
        "" if hours is None else f"{hours:.3g}",
        row.note,
    ]
