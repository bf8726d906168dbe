"""What is known to be missing before a data set of the registry can be read."""

from collections.abc import Iterator
from pathlib import Path

from nicheclip.config.fetched_sources import RegistrySource
from nicheclip.config.workflow import Config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError


def missing_data(config: Config, registry: Path) -> Iterator[str]:
    """A sentence for each data set that cannot be read yet.

    Args:
        config: the whole config.
        registry: ``workflow/registry``.
    """
    for name, dataset in config.datasets.items():
        source = dataset.source
        if isinstance(source, RegistrySource) and (lack := _lack(registry, source.name)):
            yield f"datasets.{name} cannot be read yet. Missing: {lack}"


def _lack(registry: Path, entry: str) -> str:
    """Of an entry; empty where it cannot be read: the job that acquires says what is wrong."""
    try:
        found = read_yaml(registry / "datasets" / f"{entry}.yaml")
    except InputError:
        return ""
    return str(found.get("missing") or "") if isinstance(found, dict) else ""
