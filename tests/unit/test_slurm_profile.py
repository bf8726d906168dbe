"""The profile holds what sites change, and the rules hold none of it."""

import re

import pytest
import yaml

from workflow_rules import workflow_rules
from workflow_run import ROOT

PROFILE = ROOT / "profiles/slurm/profile.yaml"
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
# What the plugin takes from a rule and only a site can know, and what is a cluster's business.
SITE_FACTS = r"\b(slurm_\w+|qos|constraint|clusters?|gpu_model|gres|retries)\s*[=:]"


SUBMITTED = {name: rule for name, rule in workflow_rules().items() if not rule["local"]}


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_rules_hold_no_site_facts(file):
    assert re.findall(SITE_FACTS, file.read_text()) == []


@pytest.mark.parametrize("rule", SUBMITTED)
def test_a_rule_is_local_or_says_what_it_needs(rule):
    assert set(SUBMITTED[rule]["resources"]) >= {"mem_mb", "runtime"}


@pytest.mark.parametrize("rule", [n for n, r in SUBMITTED.items() if "gpu" in r["resources"]])
def test_a_gpu_rule_says_on_how_many_nodes(rule):
    assert "nodes" in SUBMITTED[rule]["resources"]


def test_rules_of_a_group_run_in_turn():
    groups = yaml.safe_load(PROFILE.read_text())["groups"]
    assert set(groups) == {name for name, rule in SUBMITTED.items() if rule["in_turn"]}


@pytest.mark.parametrize("rule", workflow_rules())
def test_every_rule_has_a_log_an_environment_and_the_digest_of_its_code(rule):
    facts = workflow_rules()[rule]
    assert facts["log"] and facts["environment"] and "code" in facts["params"]


def test_every_key_of_the_profile_is_explained():
    """A comment stands in the paragraph of each key."""
    for paragraph in PROFILE.read_text().split("\n\n"):
        keys = re.findall(r"^[a-z][\w-]*:.*$", paragraph, re.M)
        assert not keys or "#" in paragraph, paragraph
