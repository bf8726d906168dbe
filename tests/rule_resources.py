"""Prints what the rules ask for, as JSON: python rule_resources.py SNAKEFILE CONFIG."""

import json
import sys
from types import SimpleNamespace

from workflow_rules import loaded_workflow

# Enough for the functions of all rules.
WILDCARDS = SimpleNamespace(
    dataset="fungi",
    captions="visual",
    run="fungi-tiny",
    model="tiny",
    task="few",
    job="upl",
    pretraining="dino",
    alignment="aligned",
)


def values(rule, *, attempt, megabytes=1000):
    """Memory and time of a rule whose inputs have this size."""
    inputs = SimpleNamespace(size_mb=megabytes, start=[])
    asked = {name: rule.resources[name] for name in ("mem_mb", "runtime")}
    return {k: v.evaluate(WILDCARDS, input=inputs, attempt=attempt).value for k, v in asked.items()}


def main(snakefile, config):
    """Of every rule that is not local: the first and the second try, and one with more input."""
    with loaded_workflow(snakefile, config) as workflow:
        found = {
            rule.name: {
                "first": values(rule, attempt=1),
                "second": values(rule, attempt=2),
                "larger": values(rule, attempt=1, megabytes=2000),
            }
            for rule in workflow.rules
            if rule.name not in workflow._localrules and not rule.norun
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
