"""What holds for every test, and for each process that one starts."""

import os
import sys

# Tests run two at a time on two cores. Threads that wait for each other's core double the seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Many start a Python: none of these compiles the library anew, whoever has asked for that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
