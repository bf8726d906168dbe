"""Lists of test images that a published recipe draws: ``python -m nicheclip.data.frozen_lists``.

VISSL (``extra_scripts/datasets/create_resisc45_data_files.py``, MIT) splits RESISC45 so: one
generator of Python, seeded with 42, shuffles the sorted files of each class, class after class; the
first four fifths train, the next fifth is for test. Nothing depends on the machine, so the list can
be made from the names alone.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from nicheclip.data.sources.base import is_image_name
from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.runtime.files import write_text

SEED = 42
TRAIN_SHARE, TEST_SHARE = 0.8, 0.2


def drawn_tests(members: Iterable[str]) -> list[str]:
    """The members for test of ``class/file`` names, sorted."""
    of_class: defaultdict[str, list[str]] = defaultdict(list)
    for member in members:
        of_class[member.split("/")[0]].append(member)
    generator, tests = random.Random(SEED), list[str]()
    for name in sorted(of_class):
        files = sorted(of_class[name])
        generator.shuffle(files)
        first = int(TRAIN_SHARE * len(files))
        tests += files[first : first + int(TEST_SHARE * len(files))]
    return sorted(tests)


def list_text(tests: Sequence[str], *, of: str) -> str:
    """The list as ``reader.test_list`` reads it."""
    return f"# {of}: test images by VISSL's recipe, see nicheclip.data.frozen_lists\n" + "".join(
        f"{test}\n" for test in tests
    )


def main() -> None:
    """Write the list for an archive of class folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("list", type=Path)
    parser.add_argument("--root", default="", help="the folder that holds the class folders")
    given = parser.parse_args()
    found = (one.name for one in iterate_members(given.archive) if isinstance(one, Member))
    root = PurePosixPath(given.root)
    paths = (PurePosixPath(name) for name in found if is_image_name(name))
    members = [path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)]
    write_text(given.list, list_text(drawn_tests(members), of=given.archive.name))


if __name__ == "__main__":
    main()
