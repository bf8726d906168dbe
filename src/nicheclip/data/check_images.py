"""Whether the stored images of data sets are still the bytes that were acquired.

``python -m nicheclip.data.check_images [results/acquire/DATASET ...]`` reads every tar once and
compares it with the sha256 in the manifest of its part. Reading an image for training checks its
place and name, but not its bytes: that would cost a second pass over all of them in each epoch.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.runtime.progress import progress

ACQUIRED = Path("results/acquire")


def damaged_files(dataset: Path) -> Iterator[str]:
    """A line for each file of the parts of ``dataset`` that is not what its part wrote.

    Raises:
        InputError: no part of a data set is there.
    """
    manifests = sorted(dataset.glob("parts/*/manifest.json"))
    if not manifests:
        raise InputError(
            f"{dataset}: no part of a data set is here; expected a folder such as "
            "results/acquire/NAME. Run the acquire stage first."
        )
    wanted = [
        (manifest.parent / name, digest)
        for manifest in manifests
        for name, digest in _outputs(manifest).items()
    ]
    for file, digest in progress(wanted, label=f"check {dataset.name}", total=len(wanted)):
        if not file.is_file():
            yield f"{file}: is not there."
        elif sha256_file(file) != digest:
            yield f"{file}: has other bytes than when it was written."


def _outputs(manifest: Path) -> dict[str, str]:
    remedy = "Delete the folder of this part and run the acquire stage again."
    with reading(manifest, "the manifest of a part", remedy):
        return {str(name): str(digest) for name, digest in read_json(manifest)["outputs"].items()}


def main(arguments: Sequence[str]) -> int:
    """Check the data sets named, or all; 1 where one is damaged."""
    datasets = [Path(one) for one in arguments] or sorted(ACQUIRED.glob("*/")) or [ACQUIRED]
    found = [line for dataset in datasets for line in damaged_files(dataset)]
    for line in found:
        print(line)
    if found:
        parts = sorted({line.partition(":")[0] for line in found})
        print(f"{len(parts)} damaged files. Delete the folders of their parts and run again.")
    else:
        print(f"{len(datasets)} data sets are as they were acquired.")
    return int(bool(found))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        sys.exit(f"error: {error}")
