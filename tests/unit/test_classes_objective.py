"""The objectives without texts: which answers count, the losses, the model that is written."""

import signal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from fork_server import start, start_two, statuses
from image_sets import CLASS_TEXTS_FILE
from nicheclip.data.class_ranks import class_ranks
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.schemas import TAXA, TEXTS
from nicheclip.terms import RANKS
from nicheclip.training.data import TrainingData
from nicheclip.training.objectives.classification import Classification
from nicheclip.training.objectives.hierarchical_classification import HierarchicalClassification
from nicheclip.training.run import TrainingRun, train
from nicheclip.training.targets import make_targets
from small_training import start_model, training_config, write_squares
from training_process import train_disturbed

CLASSES = {"kind": "classification"}
BY_RANK = {"kind": "hierarchical_classification"}
WEIGHTS = "open_clip_model.safetensors"

#: of the classes a, b and c of the squares; c has no species, and its order is not known
LINEAGES = {
    "a": ("Animalia", "Chordata", "Aves", "Passeriformes", "Turdidae", "Turdus", "merula"),
    "b": ("Animalia", "Chordata", "Aves", "Piciformes", "Picidae", "Picus", "viridis"),
    "c": ("Plantae", "Tracheophyta", "Magnoliopsida", "", "Rosaceae", "Rosa", ""),
}


def write_lineages(folder, lineages=LINEAGES):
    """Taxa and texts as the taxonomy stage writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"taxon_id": f"t{c}", "rank": "species"} | dict(zip(RANKS, names, strict=True))
        for c, names in lineages.items()
    ]
    texts = [
        {"class_id": c, "taxon_id": f"t{c}", "text_type": t, "name": c, "text": c}
        for c in lineages
        for t in ("sci", "com")
    ]
    for name, table, schema in (("taxa", rows, TAXA), ("texts", texts, TEXTS)):
        pq.write_table(pa.Table.from_pylist(table, schema=schema), folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A start model, 26 training and 7 validation images; an epoch of batches of 8 has 4 steps."""
    folder = tmp_path_factory.mktemp("world")
    write_squares(folder / "squares", train=26, val=7, captions=False)
    write_lineages(folder / "lineages")
    start_model(folder)
    return folder


def data(world):
    squares = world / "squares"
    return TrainingData(squares, squares / CLASS_TEXTS_FILE, None, world / "lineages")


def training_run(world, folder, recipe, **changes):
    return TrainingRun(
        config=training_config(recipe=recipe, **changes),
        start=world / "start",
        class_texts=world / "squares" / CLASS_TEXTS_FILE,
        lineages=world / "lineages",
        seed=0,
        output=folder / "model",
    )


def run(world, folder, recipe, **changes):
    one = training_run(world, folder, recipe, **changes)
    return train(one, images=world / "squares", run_folder=folder / "run")


def test_a_species_without_genus_and_an_empty_rank_have_no_taxon(tmp_path):
    lineages = LINEAGES | {"d": ("Plantae", "", "", "", "Rosaceae", "", "alba")}
    found = class_ranks(write_lineages(tmp_path, lineages), ["a", "c", "d", "unknown"])
    assert found["order"] == [("Animalia", "Passeriformes"), None, None, None]
    assert found["species"] == [("Animalia", "Turdus", "merula"), None, None, None]
    assert found["family"] == [
        ("Animalia", "Turdidae"), ("Plantae", "Rosaceae"), ("Plantae", "Rosaceae"), None,
    ]  # fmt: skip


def test_one_name_in_two_kingdoms_is_two_taxa(tmp_path):
    lineages = {
        "moth": ("Animalia", "", "", "", "", "Laelia", "rosea"),
        "orchid": ("Plantae", "", "", "", "", "Laelia", "rosea"),
    }
    found = class_ranks(write_lineages(tmp_path, lineages), ["moth", "orchid"])
    assert len(set(found["genus"])) == len(set(found["species"])) == 2


def test_classes_without_training_images_have_no_answer(world):
    """Class b has none here: its taxa are unknown, and a rank with one taxon gets no head."""
    labels = SimpleNamespace(numbers=lambda: torch.tensor([0, 2, 2, 3]).numpy(), file="labels")
    taxa = {
        "kingdom": ["K", "K", "K", "K"],
        "family": ["F", "G", None, "H"],
        "species": ["s", "t", "u", "v"],
    }
    targets = make_targets(taxa, labels)
    assert targets.heads == ("family", "species") and targets.sizes == [2, 3]
    assert targets.answers.tolist() == [[0, 0], [-1, -1], [-1, 1], [1, 2]]
    with pytest.raises(InputError, match="nothing to tell apart"):
        make_targets({"kingdom": taxa["kingdom"]}, labels)


def objective(world, kind=HierarchicalClassification, recipe=BY_RANK):
    config = training_config(recipe=recipe)
    return kind(config, start=world / "start", data=data(world), seed=0)


def literal_loss(rows, heads):
    """The sum over ranks of the mean of -log softmax over the images with a name there."""
    total = 0.0
    for number, head in enumerate(heads):
        terms = []
        for feature, answers in rows:
            answer = answers[number]
            if answer < 0:
                continue
            logits = [
                sum(w * x for w, x in zip(weights, feature, strict=True)) + bias
                for weights, bias in zip(head.weight.tolist(), head.bias.tolist(), strict=True)
            ]
            terms.append(-logits[answer] + torch.tensor(logits).double().logsumexp(0).item())
        total += sum(terms) / len(terms) if terms else 0.0
    return total


def single():
    return SimpleNamespace(processes=SimpleNamespace(sum=lambda values: values.double()))


def test_the_loss_is_that_of_a_literal_transcription(world):
    """Of images of a, b and c, which has no order and no species; the sums in float64."""
    one = objective(world)
    one.module.eval()
    batch = {
        "images": torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8),
        "targets": torch.tensor(one._targets.answers)[[0, 1, 2, 2, 0]],
    }
    assert (batch["targets"] < 0).any()
    features = one.module.visual(one.module.normalise(batch["images"]))
    rows = list(zip(features.tolist(), batch["targets"].tolist(), strict=True))
    loss = one.losses(one.module(batch), batch, single())["loss"]
    assert loss.item() == pytest.approx(literal_loss(rows, one.module.heads), abs=1e-5)


def test_a_batch_without_any_name_at_a_rank_has_no_loss_there(world):
    one = objective(world)
    batch = {
        "images": torch.zeros(3, 3, 32, 32, dtype=torch.uint8),
        "targets": torch.tensor(one._targets.answers)[[2, 2, 2]],
    }
    outputs = one.module(batch)
    terms = one.losses(outputs, batch, single())
    assert terms["loss_species"].item() == 0 and terms["loss_order"].item() == 0
    terms["loss"].backward()
    species = one._targets.heads.index("species")
    assert not one.module.heads[species].weight.grad.any()
    assert one.module.visual.proj.grad.any()


@pytest.mark.parametrize("recipe", [CLASSES, BY_RANK])
def test_it_learns_and_the_text_tower_stays_as_it_was(world, tmp_path, recipe):
    report = run(world, tmp_path, recipe, epochs=10, optimizer={"lr": 3e-3})
    assert report.final["val_accuracy"] == 1.0
    start, trained = (load(f).model.state_dict() for f in (world / "start", tmp_path / "model"))
    moved = {name for name in start if not start[name].equal(trained[name])}
    assert moved and all(name.startswith("visual.") for name in moved)
    assert {name for name in start if name.startswith("visual.")} == moved


def test_the_report_says_which_heads_there_were(world, tmp_path):
    report = run(world, tmp_path, BY_RANK, epochs=1)
    # kingdom, phylum, class: two taxa; orders of a and b; species of a and b
    answers = {"kingdom": 2, "phylum": 2, "class": 2, "order": 2, "family": 3, "genus": 3}
    assert report.facts == {"classes": 3, "answers": answers | {"species": 2}}
    assert {"loss_order", "val_accuracy_species"} <= report.final.keys()
    assert report.final["val_accuracy"] == report.final["val_accuracy_species"]


def test_a_run_in_pieces_has_the_weights_of_the_whole(world, tmp_path):
    for pieces in (1, 3):
        # a large eps: Adam does not blow rounding up, where gradients are nearly 0
        optimizer = {"lr": 1e-3, "eps": 1e-2}
        run(
            world,
            tmp_path / str(pieces),
            BY_RANK,
            accumulation=pieces,
            epochs=1,
            optimizer=optimizer,
        )
    one, cut = (load(tmp_path / str(n) / "model").model.state_dict() for n in (1, 3))
    for name, values in one.items():
        torch.testing.assert_close(values, cut[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("recipe", "at_step"), [(CLASSES, 6), (BY_RANK, 9)])
def test_a_kill_does_not_change_the_bytes(world, tmp_path, recipe, at_step):
    run(world, tmp_path / "one", recipe)
    two = training_run(world, tmp_path, recipe, compute={"checkpoint_seconds": 1e-9})
    errors, stop = tmp_path / "errors.txt", {"at_step": at_step, "number": signal.SIGKILL}
    killed = start(train_disturbed, two, world / "squares", tmp_path, errors=errors, **stop)
    assert statuses([killed]) == [-signal.SIGKILL], errors.read_text()
    report = train(two, images=world / "squares", run_folder=tmp_path / "run")
    assert report.resumed_at_steps == [at_step - 1]
    for file in (WEIGHTS, "history.csv"):
        assert sha256_file(tmp_path / "one/model" / file) == sha256_file(tmp_path / "model" / file)


def test_two_processes_train_like_one(world, tmp_path):
    """Missing ranks lie unevenly between the two: the means are over both."""
    run(world, tmp_path / "one", BY_RANK, optimizer={"lr": 1e-3, "eps": 1e-3})
    two = training_run(
        world, tmp_path / "two", BY_RANK, optimizer={"lr": 1e-3, "eps": 1e-3}, compute={"nodes": 2}
    )
    folder = tmp_path / "two"
    ranks = start_two(train_disturbed, two, world / "squares", folder, folder=tmp_path)
    assert statuses(ranks) == [0, 0]
    assert read_json(folder / "model/train.json")["processes"] == 2
    one, both = (load(tmp_path / n / "model").model.state_dict() for n in ("one", "two"))
    for name, values in one.items():
        torch.testing.assert_close(values, both[name], rtol=0, atol=2e-5)


def test_classification_needs_no_lineages(world):
    without = TrainingData(world / "squares", world / "squares" / CLASS_TEXTS_FILE, None)
    config = training_config(recipe=CLASSES)
    one = Classification(config, start=world / "start", data=without, seed=0)
    assert one.facts() == {"classes": 3, "answers": {"class": 3}}
