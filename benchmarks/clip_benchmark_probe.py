"""CLIP_benchmark's linear probe on features that are there already; see ``clip_benchmark.py``.

Its own entry demands CUDA ("else too slow"). Here its functions train on the CPU: the sweep over
weight decays by the validation split, then the final model on train and validation images.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from clip_benchmark.metrics import linear_probe
from clip_benchmark.metrics.zeroshot_classification import accuracy
from torch.utils.data import DataLoader

#: its defaults
LR, EPOCHS, BATCH, SEED = 0.1, 10, 64, 0


def main() -> None:
    """Write ``probes.json`` into the folder of ``probe<n>.npz``."""
    torch.nn.Module.cuda = lambda self: self
    torch.Tensor.cuda = lambda self: self
    work, count = Path(sys.argv[1]), int(sys.argv[2])
    found = [probe(np.load(work / f"probe{number}.npz")) for number in range(count)]
    (work / "probes.json").write_text(json.dumps(found))


def probe(arrays: dict[str, np.ndarray]) -> float:
    """Top-1 accuracy on the test features."""
    torch.manual_seed(SEED)

    def loader(*names: str) -> DataLoader:
        features = np.concatenate([arrays[name] for name in names])
        labels = np.concatenate([arrays[f"{name}_labels"] for name in names])
        data = linear_probe.FeatureDataset(torch.tensor(features), torch.tensor(labels))
        return DataLoader(data, batch_size=BATCH, shuffle=True)

    train, val = loader("train"), loader("val")
    sizes = arrays["train"].shape[1], int(arrays["train_labels"].max()) + 1
    decays = np.logspace(-6, 2, num=97).tolist()
    coarse = [i for i, one in enumerate(decays) if one in np.logspace(-6, 2, num=7).tolist()]
    how = (*sizes, LR, EPOCHS, False, "cpu", False, SEED)
    best = linear_probe.find_peak(decays, coarse, train, val, *how)
    for span in (8, 4, 2, 1):
        near = [max(best - span, 0), best, min(best + span, len(decays) - 1)]
        best = linear_probe.find_peak(decays, near, train, val, *how)
    final = linear_probe.train(
        loader("train", "val"), *sizes, decays[best], LR, EPOCHS, False, "cpu", SEED
    )
    logits, target = linear_probe.infer(final, loader("test"), False, "cpu")
    return float(accuracy(logits.float(), target.float(), topk=(1,))[0])


if __name__ == "__main__":
    main()
