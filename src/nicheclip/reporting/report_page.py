"""The HTML report: Snakemake's own, made safe for names that hold HTML."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path

#: data that the page's scripts read: a line each
_DATA = re.compile(r'^(\s*var \w+ = )([\[{"].*)(;)$', re.MULTILINE)


def write_report(snakefile: str, config: str, targets: Sequence[str], path: Path) -> None:
    """Ask Snakemake for the report of ``targets`` and write it to ``path``.

    Args:
        snakefile: of the workflow.
        config: its config file.
        targets: rules and files.
        path: the page.

    Raises:
        InputError: Snakemake fails; its messages are on standard error.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
    command += ["--configfile", config, "--nolock", "--cores", "1"]
    command += ["--directory", str(Path.cwd())]  # a rehearsal would look for a folder of its own
    with atomic_path(path) as page:
        done = subprocess.run(
            [*command, "--report", str(page), *targets],
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout, done.stderr, file=sys.stderr)
        if done.returncode:
            raise InputError("snakemake --report failed; its messages stand above.")
        page.write_text(with_safe_data(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_safe_data(page: str) -> str:
    r"""``page`` with every ``<`` in its data as ``\u003c``.

    Snakemake writes the params of jobs into script blocks as they are; a name with ``</script>``
    would end the block and be run by the browser.
    """
    return _DATA.sub(_without_tags, page)


def _without_tags(line: re.Match[str]) -> str:
    try:
        json.loads(line[2])
    except ValueError:  # a script's own line
        return line[0]
    return line[1] + line[2].replace("<", r"\u003c") + line[3]
