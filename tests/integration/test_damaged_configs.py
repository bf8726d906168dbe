"""Configs that Snakemake cannot read end in an error of ours, without a traceback."""

import subprocess

import pytest

from workflow_run import ROOT, TINY, command, environment, snakemake

DAMAGED = {
    "empty": (b"", "it is empty. Copy workflow/config/own.yaml"),
    "a list": (b"- datasets\n", "it holds a list"),
    "tab": (b"datasets:\n\ta: 1\n", ", line 2: not YAML: the line is indented with a tab."),
    "latin-1": (b"# caf\xe9\n", ", line 1: not UTF-8 (byte 0xe9)."),
    "inside itself": (b"datasets: &d\n  a: *d\n", ", line 2: *d stands inside the entry &d"),
    "repeated key": (b"seed: 1\nseed: 2\n", ", line 2: the key 'seed' repeats that of line 1"),
    "absent": (None, ": no such file in "),
    "seeds below 0": (
        TINY.read_bytes().replace(b"seeds: [0, 1]", b"seeds: [-1]"),
        "seeds.0: Input should be greater than or equal to 0 (given: -1)",
    ),
    "hours without end": (
        TINY.read_bytes().replace(b"compute: {", b"compute: {hours: .inf, "),
        "compute.hours: Input should be a finite number (given: inf)",
    ),
}


def check(done, message):
    assert done.returncode == 1
    assert "config.yaml" in done.stdout and message in done.stdout
    assert "Traceback" not in done.stdout and "site-packages" not in done.stdout


def write(folder, content):
    file = folder / "config.yaml"
    if content is not None:
        file.write_bytes(content)
    return file


@pytest.mark.slow
@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_config_stops_with_our_error_alone(tmp_path, content, message):
    file = write(tmp_path, content)
    check(snakemake(tmp_path, "--dry-run", "--cores", 1, config=file, check=False), message)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["empty", "inside itself", "absent"])
def test_so_does_a_damaged_config_that_no_option_names(tmp_path, name):
    content, message = DAMAGED[name]
    write(tmp_path, content)
    arguments = [command()[0], "--snakefile", ROOT / "Snakefile", "--dry-run", "--cores", "1"]
    done = subprocess.run(
        arguments,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    check(done, message)


@pytest.mark.slow
def test_offline_lists_all_files_that_are_absent(tmp_path):
    first = b"datasets:\n"
    more = b"""  packed: {source: {kind: archive, urls: ["https://a.invalid/x.tar"]}}
  birds: {source: {kind: registry, name: nabirds}, split: {method: given}}
"""
    file = write(tmp_path, TINY.read_bytes().replace(first, first + more))
    options = ("--dry-run", "--cores", 1, "--config", "offline=true")
    done = snakemake(tmp_path, *options, config=file, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "offline: 2 files are not on this disk" in done.stdout
    place = tmp_path / "results/downloads"
    assert f"packed: x.tar from https://a.invalid/x.tar into {place}/packed" in done.stdout
    assert f"nabirds.tar.gz from https://dl.allaboutbirds.org/nabirds into {place}" in done.stdout
