"""What Snakemake knows of the rules, as JSON: python workflow_rules.py SNAKEFILE CONFIG."""

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def workflow_rules():
    """Every rule that runs something, by name, of the smallest config with a checklist."""
    arguments = [sys.executable, __file__, ROOT / "Snakefile", ROOT / "tests/configs/rules.yaml"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "NameUsage.tsv").touch()
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
    rules = json.loads(done.stdout)
    assert len(rules) > 10
    return rules


def _facts(workflow, rule):
    return {
        "script": rule.script and Path(rule.script).name,
        "environment": rule.conda_env and Path(str(rule.conda_env)).stem,
        "local": rule.name in workflow._localrules,
        "resources": sorted(set(rule.resources) - {"_cores", "_nodes", "tmpdir"}),
        "in_turn": "in_turn" in rule.resources,
        "params": sorted(name for name, _ in rule.params._allitems() if name),
        "log": bool(rule.log),
    }


@contextmanager
def loaded_workflow(snakefile, config):
    """The workflow as Snakemake has parsed it; in a process of its own, since it changes much."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        yield api.workflow(
            ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[Path(config)]),
            snakefile=Path(snakefile),
        )._workflow


def main(snakefile, config):
    with loaded_workflow(snakefile, config) as workflow:
        found = {rule.name: _facts(workflow, rule) for rule in workflow.rules if not rule.norun}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
