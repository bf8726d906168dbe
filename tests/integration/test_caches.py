"""Where a job's libraries keep what they load."""

import pytest

from workflow_run import ROOT, snakemake

NAMES = ("XDG_CACHE_HOME", "HF_HOME", "HF_TOKEN_PATH", "TORCH_HOME", "MPLCONFIGDIR")
SNAKEFILE = f"""
include: "{ROOT}/workflow/Snakefile"

rule show:
    output:
        "variables.txt",
    shell:
        "env > {{output}}"
"""


@pytest.fixture
def variables_of_a_job(tmp_path, monkeypatch):
    def read(**chosen):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "own").write_text(SNAKEFILE)
        snakemake(
            tmp_path, "--snakefile", tmp_path / "own", "--cores", 1, "variables.txt", **chosen
        )
        lines = (tmp_path / "variables.txt").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        return {name: found[name] for name in NAMES}

    return read


def test_caches_stand_in_the_working_folder_and_a_login_stays_valid(variables_of_a_job, tmp_path):
    found = variables_of_a_job(HOME="/home/biologist")
    assert found == {
        "XDG_CACHE_HOME": f"{tmp_path}/.cache",
        "HF_HOME": f"{tmp_path}/.cache/huggingface",
        "HF_TOKEN_PATH": "/home/biologist/.cache/huggingface/token",
        "TORCH_HOME": f"{tmp_path}/.cache/torch",
        "MPLCONFIGDIR": f"{tmp_path}/.cache/matplotlib",
    }


def test_what_the_user_has_chosen_stays(variables_of_a_job):
    found = variables_of_a_job(XDG_CACHE_HOME="/scratch/me", HF_HOME="/data/hub")
    assert found == {
        "XDG_CACHE_HOME": "/scratch/me",
        "HF_HOME": "/data/hub",
        "HF_TOKEN_PATH": "/data/hub/token",
        "TORCH_HOME": "/scratch/me/torch",
        "MPLCONFIGDIR": "/scratch/me/matplotlib",
    }
