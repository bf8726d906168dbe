"""The example configs for own images, with their two marked lines changed."""

from workflow_run import ROOT

OWN = (ROOT / "workflow/config/own.yaml").read_text()
UNLABELLED = (ROOT / "workflow/config/unlabelled.yaml").read_text()


def own_config(name, path):
    """``own.yaml`` with its two marked lines changed, and nothing else."""
    return _changed(OWN, [("pests", name), ("~/pests", path)])


def unlabelled_config(path, classes):
    """``unlabelled.yaml`` with its two marked lines changed, and nothing else."""
    return _changed(UNLABELLED, [("~/photographs", path), ("~/classes.txt", classes)])


def _changed(text, changes):
    marked = [line for line in text.splitlines() if "# <<<" in line]
    assert len(marked) == len(changes) == 2
    for line, (before, after) in zip(marked, changes, strict=True):
        assert before in line
        text = text.replace(line, line.replace(before, str(after)))
    return text
