"""The profile holds what sites change, and the rules hold none of it."""

import re

import pytest
import yaml

from workflow_run import ROOT

PROFILE = ROOT / "profiles/slurm/profile.yaml"
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
# What the plugin takes from a rule and only a site can know, and what is a cluster's business.
SITE_FACTS = r"\b(slurm_\w+|qos|constraint|clusters?|gpu_model|gres|retries)\s*[=:]"


TEXTS = {
    text.split(":")[0]: text
    for file in RULES
    for text in re.split(r"^ *rule ", file.read_text(), flags=re.M)[1:]
}


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_rules_hold_no_site_facts(file):
    assert re.findall(SITE_FACTS, file.read_text()) == []


@pytest.mark.parametrize("rule", TEXTS.values(), ids=TEXTS)
def test_a_rule_is_local_or_says_what_it_needs(rule):
    if "localrule: True" not in rule:
        assert re.search(r"^ +mem_mb=", rule, re.M)
        assert re.search(r"^ +runtime=", rule, re.M)


@pytest.mark.parametrize("rule", TEXTS.values(), ids=TEXTS)
def test_a_gpu_rule_says_on_how_many_nodes(rule):
    if re.search(r"^ +resources:.*^ +gpu=", rule, re.M | re.S):
        assert re.search(r"^ +nodes=", rule, re.M)


def test_rules_of_a_group_run_in_turn():
    groups = yaml.safe_load(PROFILE.read_text())["groups"]
    assert set(groups) == {name for name, text in TEXTS.items() if "in_turn=1" in text}


def test_every_key_of_the_profile_is_explained():
    """A comment stands in the paragraph of each key."""
    for paragraph in PROFILE.read_text().split("\n\n"):
        keys = re.findall(r"^[a-z][\w-]*:.*$", paragraph, re.M)
        assert not keys or "#" in paragraph, paragraph
