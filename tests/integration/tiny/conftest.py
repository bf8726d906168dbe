"""The one run of the smallest config that the tests of this folder share."""

import pytest

from workflow_run import clone, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A clone in which everything has been made; tests leave it as it is, or put it back."""
    folder = clone(tmp_path_factory.mktemp("chain") / "clone")
    snakemake(folder, "--cores", 2, root=folder)
    return folder
