"""Which job starts first where several could."""

from enum import IntEnum


class Priority(IntEnum):
    """What fails without work done comes first, then what others wait for, then the longest jobs,
    so that no core stands idle at the end of a run beside one long job.

    Snakemake starts the jobs whose sum is greatest: acquiring, which takes two cores, has more than
    any two others.
    """

    ACQUIRE = 300
    CHECK = 100
    PREPARE = 50
    TRAIN = 20
    ADAPT = 15
    ENCODE = 5
    JUDGE = 4
    DRAW = 3
