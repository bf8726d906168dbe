"""The example config for own images, with its two marked lines changed."""

from workflow_run import ROOT

OWN = (ROOT / "workflow/config/own.yaml").read_text()


def own_config(name, path):
    """The file with its two marked lines changed, and nothing else."""
    marked = [line for line in OWN.splitlines() if "# <<<" in line]
    assert len(marked) == 2
    changed = [marked[0].replace("pests", name), marked[1].replace("~/pests", str(path))]
    text = OWN
    for before, after in zip(marked, changed, strict=True):
        assert before != after
        text = text.replace(before, after)
    return text
