"""See that the installed torch, torchvision and open_clip work together: `make` runs this.

``python -m nicheclip.runtime.installation``. Where torch is a CPU build and torchvision is PyPI's,
which is made for CUDA, ``import open_clip`` fails in every program. Then the environment gets a
hook that declares what is missing (see ``torchvision_ops``), so that the README's lines work in it.
"""

import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from nicheclip.runtime import torchvision_ops

HOOK = "nicheclip_torchvision"

PAIR = """\
torch {torch} and torchvision {torchvision} are not from one place: the compiled part of torchvision
does not load. {hook} declares its operators, which is enough for open_clip and for all that we do.
For a pair that is whole, install both from one place, for example for a CPU:
    make TORCH_INDEX=https://download.pytorch.org/whl/cpu"""

BROKEN = """\
error: this environment ({prefix}) cannot import open_clip:
{said}
Install torch and torchvision from one place, both from PyPI or both from one index of PyTorch:
remove the environment, then make TORCH_INDEX=https://download.pytorch.org/whl/cpu"""


def what_fails() -> str:
    """The words of a program in this environment that imports open_clip; empty if it can."""
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, "-c", "import torchvision, open_clip"],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=False,
        )
    return done.stderr.strip() if done.returncode else ""


def install_hook(packages: Path) -> Path:
    """Write the hook to the folder ``packages``: a module, and the file that runs it at each start.

    Returns:
        The latter.
    """
    source = Path(torchvision_ops.__file__).read_text(encoding="utf-8")
    started = "\n\nsys.meta_path.insert(0, BeforeTorchvision())\n"
    (packages / f"{HOOK}.py").write_text(source + started, encoding="utf-8")
    file = packages / f"{HOOK}.pth"
    file.write_text(f"import {HOOK}\n", encoding="utf-8")
    return file


def main() -> int:
    """The exit status: 0 where open_clip can be imported, perhaps with the hook."""
    said = what_fails()
    if "torchvision::" in said:
        hook = install_hook(Path(sysconfig.get_path("purelib")))
        said = what_fails()
        if not said:
            versions = {name: version(name) for name in ("torch", "torchvision")}
            print(PAIR.format(**versions, hook=hook), file=sys.stderr)
    if said:
        print(BROKEN.format(prefix=sys.prefix, said=said), file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
