"""Which job starts first where several could."""

from enum import IntEnum


class Priority(IntEnum):
    """What fails without work done comes first, then what others wait for, then the longest jobs,
    so that no core stands idle at the end of a run beside one long job.
    """

    CHECK = 100
    ACQUIRE = 60
    PREPARE = 50
    TRAIN = 20
    ADAPT = 15
    ENCODE = 5
    JUDGE = 4
    DRAW = 3
