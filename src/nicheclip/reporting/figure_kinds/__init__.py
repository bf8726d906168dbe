"""Figures of the papers: a module for each kind that a table's file may name.

Each has ``draw(request, table)``: a ``Drawing`` of a finished table, or, for a figure alone, of
what the request names.
"""

from dataclasses import dataclass

from matplotlib.figure import Figure
from pydantic import BaseModel


@dataclass(frozen=True)
class Drawing:
    """A figure, and the numbers that it shows where no table has them."""

    figure: Figure
    numbers: BaseModel | None = None
