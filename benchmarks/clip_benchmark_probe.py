"""CLIP_benchmark's linear probe on features that are there already; see ``clip_benchmark.py``.

Its own entry demands CUDA ("else too slow"). Here its function ``train`` runs on the CPU: with its
defaults from several seeds, with the weight decay that its sweep chooses, with many epochs, and to
the end of our objective, that is on features scaled as ours are, with Adam and the squared penalty
of a logistic regression in the place of AdamW.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch
from clip_benchmark.metrics import linear_probe
from torch.utils.data import DataLoader

#: its defaults
LR, EPOCHS, BATCH, SEEDS = 0.1, 10, 64, 5
#: "to the end"
MANY = 1_000

Arrays = dict[str, np.ndarray]
ADAMW = torch.optim.AdamW


class Recorded(linear_probe.FeatureDataset):
    """Remembers in which order its rows were asked for."""

    def __init__(self, arrays: Arrays, *names: str) -> None:
        labels = np.concatenate([arrays[f"{name}_labels"] for name in names])
        features = np.concatenate([arrays[name] for name in names])
        super().__init__(torch.tensor(features), torch.tensor(labels))
        self.rows: list[int] = []

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.rows.append(row)
        return super().__getitem__(row)


def main() -> None:
    """Write ``probes.json``, and the draws of each probe, into the folder of ``probe<n>.npz``."""
    torch.nn.Module.cuda = lambda self: self
    torch.Tensor.cuda = lambda self: self
    work, count = Path(sys.argv[1]), int(sys.argv[2])
    found = []
    for number in range(count):
        arrays = dict(np.load(work / f"probe{number}.npz"))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found.append(probes(arrays, work / f"draws{number}"))
    (work / "probes.json").write_text(json.dumps(found))


def probes(arrays: Arrays, draws: Path) -> dict[str, list[float]]:
    """Top-1 accuracy on the test features, by each way."""
    decay, strength = sweep(arrays), float(arrays["strength"])
    return {
        "defaults": [trained(arrays, seed=seed, draws=draws) for seed in range(SEEDS)],
        "sweep": [trained(arrays, "train", "val", decay=decay)],
        "many epochs": [trained(arrays, epochs=MANY)],
        "our objective": [to_our_end(arrays, strength)],
    }


def trained(
    arrays: Arrays,
    *names: str,
    decay: float = 0.0,
    epochs: int = EPOCHS,
    seed: int = 0,
    draws: Path | None = None,
) -> float:
    """Accuracy after ``epochs`` on the splits ``names``, train alone without any."""
    data = Recorded(arrays, *(names or ("train",)))
    sizes = arrays["train"].shape[1], int(arrays["train_labels"].max()) + 1
    torch.manual_seed(seed)
    start = torch.nn.Linear(*sizes)  # what it will begin from
    loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    model = linear_probe.train(loader, *sizes, decay, LR, epochs, False, "cpu", seed)
    with torch.no_grad():
        answers = model(torch.tensor(arrays["test"])).argmax(dim=1).numpy()
    if draws:
        first = torch.cat([start.weight, start.bias[:, None]], dim=1).detach().numpy()
        np.savez(f"{draws}-{seed}.npz", start=first, rows=data.rows, answers=answers)
    return float((answers == arrays["test_labels"]).mean())


def sweep(arrays: Arrays) -> float:
    """The weight decay that its search by the validation split ends at."""
    train, val = (
        DataLoader(Recorded(arrays, name), batch_size=BATCH, shuffle=True)
        for name in ("train", "val")
    )
    sizes = arrays["train"].shape[1], int(arrays["train_labels"].max()) + 1
    decays = np.logspace(-6, 2, num=97).tolist()
    coarse = [i for i, one in enumerate(decays) if one in np.logspace(-6, 2, num=7).tolist()]
    how = (*sizes, LR, EPOCHS, False, "cpu", False, 0)
    best = linear_probe.find_peak(decays, coarse, train, val, *how)
    for span in (8, 4, 2, 1):
        near = [max(best - span, 0), best, min(best + span, len(decays) - 1)]
        best = linear_probe.find_peak(decays, near, train, val, *how)
    return decays[best]


def to_our_end(arrays: Arrays, strength: float) -> float:
    """Accuracy of its loop with our scaling and penalty, after many epochs.

    The mean loss and a squared penalty |w|^2 / (2 strength n), which spares the bias, has the
    minimum of scikit-learn's sum of losses times ``strength`` and |w|^2 / 2.
    """
    train = arrays["train"].astype(np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    scaled = {n: np.float32((arrays[n] - mean) / deviation) for n in ("train", "test")}

    def adam(parameters: object, lr: float, weight_decay: float) -> torch.optim.Optimizer:
        del weight_decay
        weights, bias = parameters
        penalty = 1 / (strength * len(train))
        groups = [{"params": [weights], "weight_decay": penalty}, {"params": [bias]}]
        return torch.optim.Adam(groups, lr=lr)

    torch.optim.AdamW = adam
    try:
        return trained(arrays | scaled, epochs=MANY)
    finally:
        torch.optim.AdamW = ADAMW


if __name__ == "__main__":
    main()
