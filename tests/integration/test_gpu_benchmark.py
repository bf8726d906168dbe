"""The GPU benchmark at toy size on the CPU: every section gives its row."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks/gpu.py"


def test_every_section_gives_a_row():
    command = [sys.executable, str(BENCHMARK), "--toy", "--workers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    assert [row[1].strip() for row in rows[2:]] == [
        "nicheclip-small: bare",
        "nicheclip-small: nicheclip",
        "nicheclip-small: open_clip",
        "DINO test_resnet, 2 + 8 crops",
        "FAIR nicheclip-small, N = 2",
        rows[-1][1].strip(),
    ]
    assert rows[-1][1].strip().startswith("encoding by nicheclip-small")
    assert all(float(row[3]) >= 0 and float(row[7]) > 0 for row in rows[2:])
    assert "share of the time by operator: " in done.stdout
