"""What somebody's images are: classes, counts, sizes, what is wrong with them."""

import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Literal

from PIL import Image

from nicheclip.config.data import ImageConfig
from nicheclip.config.source_files import WORKBOOKS
from nicheclip.data.images import BadImageError, is_kept_as_it_is
from nicheclip.data.sources.base import is_image_name
from nicheclip.data.sources.folder import printable, walk
from nicheclip.data.sources.split_folders import are_splits, named_splits
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.starter.table import Columns, read_table_images

#: images whose headers are read, evenly over all of them
LOOKED_AT = 2_000

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", *WORKBOOKS)
#: Genus epithet, as in Turdus_merula and not in Gall_midge
_LATIN = re.compile(r"^[A-Z][a-z]{2,}[ _][a-z]*(a|ae|ale|ans|are|ens|ense|i|is|ix|or|um|us)$")


@dataclass(frozen=True)
class Seen:
    """A folder or table of images."""

    path: Path
    """The folder that holds the classes, or the table."""
    kind: Literal["folder", "table", "unlabelled"]
    classes: dict[str, int]
    """Images by class; empty where nothing says what they show."""
    images: int
    others: int = 0
    """Files that are no images, or that cannot be taken."""
    split_folders: bool | Literal["below_class"] | None = None
    given_val: bool = False
    """The source itself says which images validate."""
    columns: Columns | None = None
    """Of a table."""
    looked_at: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    """The reason by file, of those that were looked at."""
    duplicates: int = 0
    """Images whose bytes are those of another."""
    sides: tuple[int, int, int] = (0, 0, 0)
    """Least, median and most pixels of the shorter side."""

    @property
    def of_each(self) -> str:
        """How many images a class has: "14", or "4 to 6"."""
        least, most = self.smallest, max(self.classes.values())
        return f"{least}" if least == most else f"{least} to {most}"

    @property
    def smallest(self) -> int:
        """Images of the class that has least."""
        return min(self.classes.values(), default=0)

    @property
    def latin(self) -> bool:
        """Most classes are called like species: Turdus merula."""
        found = sum(bool(_LATIN.match(name)) for name in self.classes)
        return 2 * found > len(self.classes)


def look(path: Path) -> Seen:
    """Look at a folder or table of images.

    Raises:
        InputError: there is none, or no image in it.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such folder or table. Give the folder that has your images.")
    if path.suffix.lower() not in TABLES:
        raise InputError(
            f"{path}: expected a folder of images, or a table with a row for each image "
            f"({', '.join(TABLES)})."
        )
    table = read_table_images(path)
    return _with_contents(
        Seen(
            path=path,
            kind="table",
            classes=dict(Counter(table.labels)),
            images=len(table.files),
            others=table.missing,
            given_val=table.columns.given_val,
            columns=table.columns,
        ),
        table.files,
    )


def _folder(root: Path) -> Seen:
    files, others = [], 0
    for path, problem in walk(root):
        if problem is None and is_image_name(path.name):
            files.append(path)
        else:
            others += 1
    if not files:
        raise InputError(
            f"{root}: no image in it, nor below; {others} other files. Give the folder that has "
            "your images."
        )
    root = _innermost(root, files)
    parts = [file.relative_to(root).parts[:-1] for file in files]
    if not any(parts):
        seen = Seen(root, "unlabelled", {}, len(files), others)
        return _with_contents(seen, files)
    first = sorted({one[0] for one in parts if one})
    second = sorted({one[1] for one in parts if len(one) > 1})
    splits: bool | Literal["below_class"] | None = None
    depth, called = 0, first
    if are_splits(first):
        splits, depth = True, 1
    elif second and are_splits(second):
        splits, called = "below_class", second
    val = "val" in named_splits(called).values()
    labels = [one[depth] for one in parts if len(one) > depth]
    classes = dict(sorted(Counter(labels).items()))
    others += len(files) - len(labels)
    if len(classes) < 2:  # one folder of photographs says nothing of what they show
        return _with_contents(Seen(root, "unlabelled", {}, len(files), others), files)
    return _with_contents(Seen(root, "folder", classes, len(labels), others, splits, val), files)


def _innermost(root: Path, files: Sequence[Path]) -> Path:
    """The folder that has more than one folder or an image, from ``root`` down."""
    while True:
        first = {file.relative_to(root).parts[0] for file in files}
        below = root / next(iter(first))
        if len(first) > 1 or not below.is_dir():
            return root
        root = below


def _with_contents(seen: Seen, files: Sequence[Path]) -> Seen:
    """``seen`` with what the files themselves say."""
    step = -(-len(files) // LOOKED_AT)
    chosen = files[::step]
    unreadable: dict[str, str] = {}
    sides: list[int] = []
    for file in progress(chosen, label="look at images", total=len(chosen)):
        try:
            sides.append(_side(file))
        except BadImageError as error:
            unreadable[printable(str(file))] = str(error)
    if len(unreadable) == len(chosen):
        name, reason = next(iter(unreadable.items()))
        raise InputError(
            f"{seen.path}: none of the {len(chosen)} images that were looked into can be read, "
            f"for example {name}: {reason}. Give the folder or table that has your images."
        )
    return replace(
        seen,
        looked_at=len(chosen),
        unreadable=unreadable,
        duplicates=_duplicates(files),
        sides=(min(sides), int(median(sides)), max(sides)) if sides else (0, 0, 0),
    )


def _side(file: Path) -> int:
    """Pixels of the shorter side, by the header."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadImageError(f"cannot be read ({error.strerror})") from error
    is_kept_as_it_is(data, ImageConfig())
    with Image.open(io.BytesIO(data)) as image:
        return min(image.size)


def _duplicates(files: Iterable[Path]) -> int:
    """Files whose bytes are those of one before; only files of one size are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for file in files:
        try:
            by_size[file.stat().st_size].append(file)
        except OSError:
            continue
    found = 0
    for same in by_size.values():
        digests: set[bytes] = set()
        for file in same if len(same) > 1 else []:
            try:
                digest = hashlib.sha256(file.read_bytes()).digest()
            except OSError:
                continue
            found += digest in digests
            digests.add(digest)
    return found
