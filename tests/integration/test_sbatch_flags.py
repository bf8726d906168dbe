"""What the workflow asks SLURM for, flag by flag."""

import os

import pytest
import yaml

import stub_slurm
from workflow_run import TINY, clone, snakemake

# Names of paths, of the run and of the command; the rest is what the scheduler goes by.
UNIMPORTANT = ("--job-name", "--output", "-D")
# What stands before the encoding and the captions, in the order in which it is made; 1 MB each.
MADE = [
    *(f"results/acquire/fungi/parts/00000/images/0000{tar}.tar" for tar in range(2)),
    "results/acquire/fungi/parts/00000/rows.parquet",
    "results/acquire/fungi/parts/00000/dropped.parquet",
    "results/acquire/fungi/parts/00000/manifest.json",
    "results/acquire/fungi/catalog.parquet",
    "results/acquire/fungi/classes.parquet",
    "results/acquire/fungi/manifest.json",
    *(
        f"results/acquire/fungi/{split}/{name}.arrow"
        for split in ("train", "val", "test")
        for name in ("images", "labels")
    ),
    "results/taxonomy/fungi/class_texts.arrow",
    *(f"results/taxonomy/fungi/{name}.parquet" for name in ("taxa", "texts", "resolutions")),
    "results/taxonomy/fungi/manifest.json",
    "results/captions/visual/captions.parquet",
    "results/captions/visual/manifest.json",
    *(f"results/texts/fungi/{split}.arrow" for split in ("train", "val", "test")),
    *(
        f"results/models/start/tiny/seed{seed}/{name}"
        for seed in (0, 1)
        for name in ("open_clip_config.json", "open_clip_model.safetensors", "manifest.json")
    ),
]
CPU_RULE = "rule_judge_captions_wildcards_plain"
GPU_RULE = "rule_model_on_split_encode"


def flags(arguments):
    """Flags and values of a call of sbatch."""
    words = iter(arguments)
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals or name in ("--parsable", "--requeue"):
            found[name] = value
        else:
            found[name] = next(words)
    found.pop("--wrap")
    return {name: value for name, value in found.items() if name not in UNIMPORTANT}


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """The flags of each job of a run in which every job fails, rule by rule, try by try."""
    folder = clone(tmp_path_factory.mktemp("flags") / "clone")
    config = yaml.safe_load(TINY.read_text()) | {"encoding": {"gpu": 1}}
    # so that the encoding does not wait for the captions that fail
    del config["evaluation"]["plain"]
    config["papers"]["fungalzsl"]["caption_sources"] = ["visual"]
    (folder / "gpu.yaml").write_text(yaml.safe_dump(config))
    for path in MADE:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bytes(2**20))
    programs = stub_slurm.install(folder / "bin")
    done = snakemake(
        folder,
        *("--profile", "slurm", "--slurm-init-seconds-before-status-checks", 1, "--retries", 1),
        "results/captions/plain/captions.parquet",
        "results/features/fungi/test/start/tiny/manifest.json",
        config=folder / "gpu.yaml",
        root=folder,
        check=False,
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
    )
    assert done.returncode != 0
    found = {}
    for call in map(flags, stub_slurm.submitted(programs)):
        rule = call.pop("--comment").rpartition("#")[0]
        found.setdefault(rule, []).append(call)
    return found


def test_a_rule_on_the_cpu(requests):
    assert requests[CPU_RULE][0] == {
        "--parsable": "",
        "--export": "ALL",
        "-p": "cpu",
        "-t": "61",  # 60, and 0.1 for each MB of 2 that are read
        "--mem": "2040",  # 2000, and 20 for each MB
        "--requeue": "",
        "--ntasks": "1",
        "--cpus-per-task": "1",
    }


def test_a_rule_on_a_gpu(requests):
    assert requests[GPU_RULE][0] == {
        "--parsable": "",
        "--export": "ALL",
        "-p": "gpu",
        "-t": "61",  # 60, and 0.01 for each MB of 8 that are read
        "--mem": "4010",  # 4000, and 1 for each MB
        "--nodes": "1",
        "--requeue": "",
        "--gpus": "1",
        "--cpus-per-task": "1",
    }


def test_a_retry_asks_for_twice_the_memory_and_time(requests):
    assert set(requests) == {CPU_RULE, GPU_RULE}
    first, second = requests[CPU_RULE]
    assert second == first | {"--mem": "4080", "-t": "121"}
    first, second = requests[GPU_RULE]
    assert second == first | {"--mem": "8020", "-t": "121"}
