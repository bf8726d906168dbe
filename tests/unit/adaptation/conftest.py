import pytest

from small_trained import Task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A tiny model and a few images of three classes without labels."""
    return Task(tmp_path_factory.mktemp("task"))
