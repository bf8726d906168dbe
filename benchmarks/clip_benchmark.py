"""Zero-shot beside CLIP_benchmark: the same model, images, class names and templates.

    python -m venv PEER && PEER/bin/pip install clip-benchmark
    PYTHONPATH=src python benchmarks/clip_benchmark.py RESULTS --peer PEER/bin/python

RESULTS is the folder ``results`` of a finished run, such as the demo's. The classes of its data set
are dealt to ten tasks, so that no image is in two. CLIP_benchmark gets them as WebDatasets and runs
all of them by one command; we encode and judge them, zero-shot, 1-shot and 5-shot, in one process.
Accuracies are compared with all digits, times are of whole processes, one thread each.

The linear probe of CLIP_benchmark demands CUDA, so ``clip_benchmark_probe.py`` calls its functions
on the CPU, with the features that we store. Ours learns by both of its solvers.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from clip_benchmark_tasks import Data

from nicheclip.config.probes import AdamwProbe
from nicheclip.evaluation.class_texts import read_templates
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.folds import draw_folds, read_folds, write_folds
from nicheclip.evaluation.predictions import read_classes
from nicheclip.evaluation.protocols.few_shot import few_shot
from nicheclip.evaluation.protocols.linear_probe import Probe, fit_probe
from nicheclip.evaluation.protocols.zero_shot import zero_shot
from nicheclip.evaluation.softmax_adamw import descend
from nicheclip.evaluation.text_sets import encode_classes
from nicheclip.models.encode import ClipEncoder
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load

TEMPLATES = "workflow/registry/prompts/photo.yaml"
SHOTS, FOLDS, BATCH = (1, 5), 5, 64

#: CLIP_benchmark's defaults, and from how many starts its linear probe and ours like it learn
ADAMW, SEEDS = AdamwProbe(solver="adamw"), 5


def main() -> None:
    """Print the accuracies of each task and the times of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--peer", type=Path, required=True, help="python with clip-benchmark")
    parser.add_argument("--model", default="trained/arbor-mixed/seed0")
    parser.add_argument("--dataset", default="arbor")
    parser.add_argument("--text-type", default="taxon_com")
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    data = Data(given.results.resolve(), given.dataset, given.text_type, given.tasks)
    model = data.results / "models" / given.model
    if given.ours:
        _ours(data, model, given.ours)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for task in range(given.tasks):
            _write_webdataset(data, task, work / "data" / f"t{task}")
        mine = _timed([sys.executable, *sys.argv, "--ours", str(work)], work=None)
        theirs = _timed(_peer_command(given.peer, model, work, given.tasks), work)
        _print_zero_shot(work, given.tasks, mine, theirs)
        probe = Path(__file__).with_name("clip_benchmark_probe.py").resolve()
        # -P: this folder has a file of the peer's name
        ours = _probes(data, model, work)
        _timed([str(given.peer), "-P", str(probe), str(work), str(given.tasks)], work)
        _print_probes(work, ours)


def _write_webdataset(data: Data, task: int, folder: Path) -> None:
    """The test images of a task as CLIP_benchmark reads them."""
    classes = data.classes(task)
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text("\n".join(data.names(classes)))
    templates = [one.replace("{}", "{c}") for one in read_templates(Path(TEMPLATES))]
    (folder / "zeroshot_classification_templates.txt").write_text("\n".join(templates))
    (folder / "test/nshards.txt").write_text("1")
    labels, images = data.labels("test"), data.images("test", classes)
    with tarfile.open(folder / "test/0.tar", "w") as tar:
        for image in images.read_many(range(len(images))):
            jpeg = image.encoded[:2] == b"\xff\xd8"
            number = str(classes.index(labels[image.image_id])).encode()
            for suffix, content in (("jpg" if jpeg else "png", image.encoded), ("cls", number)):
                member = tarfile.TarInfo(f"{image.image_id}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def _peer_command(peer: Path, model: Path, work: Path, tasks: int) -> list[str]:
    return [
        str(peer), "-m", "clip_benchmark.cli", "eval", "--quiet", "--no_amp",
        "--dataset", *(f"wds/t{task}" for task in range(tasks)),
        "--dataset_root", str(work / "data/{dataset}"),
        "--model", f"local-dir:{model}", "--pretrained", "folder",
        "--batch_size", str(BATCH), "--num_workers", "0",
        "--output", str(work / "{dataset}.json"),
    ]  # fmt: skip


def _timed(command: Sequence[str], work: Path | None) -> tuple[float, float]:
    """Seconds by the clock and of the processor that a process takes, on one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=work, env=os.environ | threads, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[:4]} failed:\n{done.stderr[-3000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ours(data: Data, model: Path, work: Path) -> None:
    """Judge all tasks, zero-shot and few-shot; leaves the accuracies."""
    encoder, labels = _encoder(model), data.labels("test")
    templates, found = read_templates(Path(TEMPLATES)), []
    for task in range(data.tasks):
        classes = data.classes(task)
        texts = [[one.format(name) for one in templates] for name in data.names(classes)]
        anchors = encode_classes(
            dict(zip(classes, texts, strict=True)), encoder.texts, logit_scale=encoder.logit_scale
        )
        images = encoder.images(data.images("test", classes))  # type: ignore[arg-type]
        scale = anchors.logit_scale
        said = zero_shot(images, labels, anchors.class_ids, anchors.embeddings, logit_scale=scale)
        scores = {"acc1": float(said.correct().mean()), "acc5": float(said.correct(5).mean())}
        mine = {image_id: labels[image_id] for image_id in images.image_ids}
        write_folds(work / "folds.parquet", draw_folds(mine, SHOTS, FOLDS, seed=0))
        by_shots = few_shot(images, mine, read_folds(work / "folds.parquet"))
        found.append(scores | {f"{n}-shot": float(one.mean()) for n, one in by_shots.items()})
    (work / "ours.json").write_text(json.dumps(found))


def _encoder(model: Path) -> ClipEncoder:
    return ClipEncoder(load(model), EncodeSettings(batch_size=BATCH, device="cpu"))


def _probes(data: Data, model: Path, work: Path) -> list[dict[str, list[float]]]:
    """Accuracies of our linear probes; leaves the features for the peer's."""
    encoder, found = _encoder(model), []
    for task in range(data.tasks):
        splits = {name: _split(data, task, name, encoder) for name in ("train", "val", "test")}
        # classes with training images come first: its head is as wide as the highest label
        learnt = {*splits["train"].labels.values()}
        order = sorted(data.classes(task), key=lambda one: (one not in learnt, one))
        arrays = {name: one.images.features for name, one in splits.items()}
        for name, one in splits.items():
            labels = [one.labels[image_id] for image_id in one.images.image_ids]
            arrays[f"{name}_labels"] = np.array([order.index(label) for label in labels])
        solved = fit_probe(splits["train"], seed=0)
        strength = solved.classifier.C  # type: ignore[attr-defined]
        np.savez(work / f"probe{task}.npz", strength=strength, **arrays)
        by_adamw = [fit_probe(splits["train"], ADAMW, seed=seed) for seed in range(SEEDS)]
        both = {"lbfgs": [solved], "adamw": by_adamw}
        found.append(
            {name: [_right(p, splits["test"]) for p in some] for name, some in both.items()}
        )
    return found


def _split(data: Data, task: int, name: str, encoder: ClipEncoder) -> EvaluationSplit:
    classes, labels = data.classes(task), data.labels(name)
    table = read_classes(data.results / f"acquire/{data.dataset}/classes.parquet")
    images = encoder.images(data.images(name, classes))  # type: ignore[arg-type]
    mine = {image_id: labels[image_id] for image_id in images.image_ids}
    return EvaluationSplit(images, mine, table.filter(pl.col("class_id").is_in(classes)))


def _right(probe: Probe, test: EvaluationSplit) -> float:
    return float(probe.answers(test).correct().mean())


def _other_answers(work: Path, tasks: int) -> tuple[int, int]:
    """Test images that our steps answer otherwise, given the peer's start and order; and all."""
    other = count = 0
    for task in range(tasks):
        arrays = np.load(work / f"probe{task}.npz")
        for path in sorted(work.glob(f"draws{task}-*.npz")):
            drawn, n = np.load(path), len(arrays["train"])
            epochs = drawn["rows"].reshape(-1, n)
            batches = [e[i : i + BATCH] for e in epochs for i in range(0, n, BATCH)]
            train = arrays["train"], arrays["train_labels"]
            weights = descend(drawn["start"], *train, batches, ADAMW)
            ours = (arrays["test"] @ weights[:, :-1].T + weights[:, -1]).argmax(axis=1)
            other, count = other + int((ours != drawn["answers"]).sum()), count + len(ours)
    return other, count


def _print_zero_shot(
    work: Path, tasks: int, mine: tuple[float, float], theirs: tuple[float, float]
) -> None:
    ours = json.loads((work / "ours.json").read_text())
    print("| task | top-1, ours | CLIP_benchmark | top-5, ours | CLIP_benchmark |")
    print("|---|---|---|---|---|")
    largest = 0.0
    for task in range(tasks):
        other = json.loads((work / f"t{task}.json").read_text())["metrics"]
        pairs = [(ours[task][key], other[key]) for key in ("acc1", "acc5")]
        largest = max(largest, *(abs(a - b) for a, b in pairs))
        print(f"| {task} | {' | '.join(f'{a:.6f} | {b:.6f}' for a, b in pairs)} |")
    print(f"\nLargest difference: {largest:.1e}\n")
    print("| | seconds | CPU s | what it did |\n|---|---|---|---|")
    print(f"| CLIP_benchmark | {theirs[0]:.1f} | {theirs[1]:.1f} | zero-shot |")
    print(f"| ours | {mine[0]:.1f} | {mine[1]:.1f} | zero-shot, 1-shot, 5-shot, {FOLDS} folds |")
    print(f"| ratio | {theirs[0] / mine[0]:.2f} | {theirs[1] / mine[1]:.2f} | |\n")


def _print_probes(work: Path, ours: Sequence[dict[str, list[float]]]) -> None:
    theirs = json.loads((work / "probes.json").read_text())
    rows = [mine | other for mine, other in zip(ours, theirs, strict=True)]
    columns = {"lbfgs": "ours", "our objective": "its loop, our objective", "adamw": "ours, adamw"}
    columns |= {"defaults": "CLIP_benchmark"}
    columns |= {name: f"CLIP_benchmark, {name}" for name in ("sweep", "many epochs")}
    print("| task |", " | ".join(columns.values()), "|\n|---|" + "---|" * len(columns))
    for task, row in enumerate(rows):
        print(f"| {task} |", " | ".join(_percent(row[name]) for name in columns), "|")
    means = [100 * np.mean([np.mean(row[name]) for row in rows]) for name in columns]
    print("| mean |", " | ".join(f"{one:.2f}" for one in means), "|")
    for name in (name for name in rows[0] if name.endswith("changed")):
        what = name.removesuffix(" changed")
        print(
            f"CLIP_benchmark, one change ({what}): {100 * np.mean([row[name] for row in rows]):.2f}"
        )
    other, count = _other_answers(work, len(rows))
    print(
        f"\nFrom its start and by its order of images adamw answers {other} of {count} otherwise."
    )


def _percent(some: Sequence[float]) -> str:
    """The mean, and of several seeds the lowest and the highest."""
    mean = f"{100 * np.mean(some):.1f}"
    return mean if len(some) == 1 else f"{mean} ({100 * min(some):.1f} to {100 * max(some):.1f})"


if __name__ == "__main__":
    main()
