"""What was seen, for the person whose images they are."""

from collections.abc import Iterator

from nicheclip.starter.look import Seen

#: names that a line shows
NAMED = 5
#: with fewer images of a class it cannot be in train, val and test
FEWEST = 3


def report(seen: Seen) -> Iterator[str]:
    """A line for each thing worth knowing."""
    if seen.kind == "unlabelled":
        yield f"{seen.path}: {seen.images} images, nothing says what they show"
    else:
        yield (
            f"{seen.path}: {seen.images} images of {len(seen.classes)} classes, "
            f"{seen.of_each} of each"
        )
    if seen.others:
        what = "rows without a file" if seen.kind == "table" else "files are left out: no images"
        yield f"  {seen.others} {what}"
    if seen.looked_at < seen.images:
        yield f"  {seen.looked_at} of them were looked into:"
    least, middle, most = seen.sides
    yield f"  shorter side: {least} to {most} pixels, {middle} in the middle"
    if seen.unreadable:
        shown = [f"{file} ({why})" for file, why in list(seen.unreadable.items())[:NAMED]]
        yield f"  {len(seen.unreadable)} cannot be read: {_few(shown, len(seen.unreadable))}"
    if seen.duplicates:
        yield f"  {seen.duplicates} are copies of others, byte by byte; copies stay in one split"
    rare = [name for name, count in seen.classes.items() if count < FEWEST]
    if rare:
        yield f"  {len(rare)} classes have fewer than {FEWEST} images: {_few(rare, len(rare))}"
    if seen.latin:
        yield (
            "  the names of the classes look Latin: a table with the columns path, label and the "
            "ranks gives texts of the whole lineage"
        )


def _few(names: list[str], count: int) -> str:
    return f"{', '.join(names[:NAMED])}{', ...' if count > NAMED else ''}"
