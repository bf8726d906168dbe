"""Where the files of a repository of the hub are kept, and what is recorded beside them."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from nicheclip.config.fetched_sources import HubSource

_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class HubCache:
    """The folder of a source."""

    source: HubSource
    folder: Path

    @property
    def commit_record(self) -> Path:
        """Has the commit of the revision as it was at the first download."""
        name = f"{self.source.repository}@{self.source.revision}".replace("/", "--")
        return self.folder / f"{name}.commit"

    def commit(self) -> str | None:
        """The pinned commit, or what the record has in its place; None before the first
        download."""
        if is_commit(self.source.revision):
            return self.source.revision
        if not self.commit_record.exists():
            return None
        return self.commit_record.read_text(encoding="utf-8", errors="replace").strip()

    def names_record(self, commit: str) -> Path:
        """Has the names of all files of a commit, one a line."""
        return self.folder / f"{self.source.repository.replace('/', '--')}@{commit}.files"

    def names(self, commit: str) -> list[str] | None:
        """The files of a commit; None where nobody has asked for them yet."""
        record = self.names_record(commit)
        return record.read_text(encoding="utf-8").splitlines() if record.exists() else None

    def file(self, commit: str, name: str) -> Path:
        """Where the hub's library keeps a file."""
        repository = f"datasets--{self.source.repository.replace('/', '--')}"
        return self.folder / repository / "snapshots" / commit / name

    def wanted(self, names: list[str]) -> dict[Literal["train", "val", "test", "all"], list[str]]:
        """Those of ``names`` that make each split."""
        return {
            split: [name for name in sorted(names) if matches(name, glob)]
            for split, glob in self.source.files.items()
        }


def is_commit(text: str) -> bool:
    """Whether ``text`` is a commit of 40 hex digits."""
    return _COMMIT.fullmatch(text) is not None


def matches(name: str, glob: str) -> bool:
    """Shell-like match in which ``**/`` stands for any number of folders."""
    pattern = "".join(
        {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
        for part in re.split(r"(\*\*/|\*|\?)", glob)
    )
    return re.fullmatch(pattern, PurePosixPath(name).as_posix()) is not None
