"""What is measured on GPUs alone, with fakes where the GPU would answer."""

import math
import sys
from types import SimpleNamespace

import pytest
import torch

from nicheclip.engine import card as cards
from nicheclip.engine import out_of_memory
from nicheclip.engine.card import Card, joules, peak_flops
from nicheclip.engine.engine import run
from nicheclip.engine.out_of_memory import largest
from nicheclip.engine.updates import Updates
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json
from toy_objective import Toy, settings

GPU = torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("name", "precision", "teraflops"),
    [
        ("NVIDIA H200", "bf16-mixed", 989.4),
        ("NVIDIA H100 80GB HBM3", "bf16-mixed", 989.4),
        ("NVIDIA H100 PCIe", "bf16-mixed", 756.0),
        ("NVIDIA A100-SXM4-80GB", "16-mixed", 312.0),
        ("NVIDIA A100-SXM4-80GB", "32-true", 19.5),
        ("Tesla T4", "16-mixed", 65.0),
        ("NVIDIA L40S", "bf16-mixed", 362.0),
        ("NVIDIA L4", "bf16-mixed", 121.0),
        ("NVIDIA A40", "bf16-mixed", 149.7),
        ("NVIDIA A4000", "bf16-mixed", None),
        ("Some new card", "bf16-mixed", None),
    ],
)
def test_the_peak_of_a_card(name, precision, teraflops):
    assert peak_flops(name, precision) == (teraflops and teraflops * 1e12)


def processes(world=2):
    return SimpleNamespace(
        device=GPU, world=world, sum=lambda own: own * world, to_device=lambda own: own
    )


def step(card, module, images):
    with card.counting("forward"):
        loss = module(images).sum()
    with card.counting("backward"):
        loss.backward()
    card.step_done(len(images))


@pytest.fixture
def readings(monkeypatch):
    """What the driver says of energy, in turn."""
    found = [100.0, 160.0]
    monkeypatch.setattr(cards, "joules", lambda device: found.pop(0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100-SXM4-80GB")
    return found


def test_operations_and_energy_of_a_run(readings):
    """8 to 4 numbers: 64 operations a sample there, as many for the weights' gradient, none for
    that of the input."""
    card = Card(processes())
    module = torch.nn.Linear(8, 4)
    step(card, module, torch.ones(3, 8))
    step(card, torch.nn.Linear(80, 4), torch.ones(3, 80))  # only the first step counts
    facts = card.facts(1e10, "bf16-mixed")
    assert facts["flops_per_sample"] == 128
    assert facts["utilisation"] == pytest.approx(1e10 * 128 / 2 / 312e12, abs=1e-4)
    assert facts["energy_joules"] == 2 * 60


def test_what_is_computed_again_to_save_memory_is_not_counted(readings):
    card = Card(processes())
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))

    def again(images):
        return torch.utils.checkpoint.checkpoint(module, images, use_reentrant=False)

    step(card, again, torch.ones(3, 8, requires_grad=True))
    assert card.facts(1.0, "bf16-mixed")["flops_per_sample"] == 3 * 2 * 2 * 8 * 8


def test_energy_over_two_attempts(readings):
    card = Card(processes())
    step(card, torch.nn.Linear(8, 4), torch.ones(3, 8))
    state = card.state_dict()
    assert state == {"flops": 128, "energy": 120.0}
    readings += [7.0, 10.0, 7.0, 10.0]
    again = Card(processes())
    again.load_state_dict(state)
    assert again.facts(1.0, "bf16-mixed")["energy_joules"] == 120 + 6
    old = Card(processes())
    old.load_state_dict({})  # a checkpoint of before
    assert old.energy() is None


def test_a_compiled_module_is_counted_uncompiled(readings):
    card = Card(processes())
    step(card, torch.compile(torch.nn.Linear(8, 4), backend="eager"), torch.ones(3, 8))
    assert card.facts(1.0, "bf16-mixed")["flops_per_sample"] == 128


def test_energy_that_the_driver_tells(monkeypatch):
    class NVMLError(Exception):
        pass

    def energy(handle):
        if handle != "GPU-ab":
            raise NVMLError
        return 2500

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    for uuid, told in (("ab", 2.5), ("GPU-ab", 2.5), ("cd", None)):
        properties = SimpleNamespace(uuid=uuid)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, p=properties: p)
        assert joules(GPU) == told
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert joules(GPU) is None
    assert math.isnan(Card(processes())._start)


def test_a_cpu_has_none_of_it(tmp_path):
    run(settings(), Toy, run_folder=tmp_path / "run", output=tmp_path / "out")
    report = read_json(tmp_path / "out/train.json")
    figures = ("flops_per_sample", "utilisation", "energy_joules")
    assert [report[figure] for figure in figures] == [None, None, None]


@pytest.mark.parametrize(
    ("room", "size", "fitting"),
    [
        (1000, 128, 90),  # 100 + 10 a sample
        (1004, 128, 90),
        (9e9, 128, 127),  # 128 did not fit, whatever the line says
        (105, 128, 0),
        (1000, 3, 2),
    ],
)
def test_the_largest_batch_by_two_that_were_measured(room, size, fitting):
    asked = []

    def measure(samples):
        asked.append(samples)
        return 100 + 10 * samples

    assert largest(measure, room, size, few=2) == fitting
    assert asked == [2, 4]


class FakeMemory:
    """400 bytes for weights, 100 for each sample of the largest pass, of 1000 in all."""

    seen = []  # noqa: RUF012

    def __init__(self, device):
        self.seen.clear()

    def free(self):
        pass

    forget = free

    def peak(self):
        return 400 + 100 * max(self.seen)

    def room(self):
        return 1000 / out_of_memory.USABLE + 0.01


@pytest.fixture
def full(monkeypatch):
    """A GPU that is full at four samples."""
    original = Updates.try_out

    def try_out(updates, batch):
        FakeMemory.seen.append(len(batch["places"]))
        original(updates, batch)

    monkeypatch.setattr(Updates, "try_out", try_out)
    monkeypatch.setattr(Updates, "bytes_to_come", lambda updates: 288)
    monkeypatch.setattr(out_of_memory, "GpuMemory", FakeMemory)

    class Full(Toy):
        def losses(self, outputs, batch, step):
            if len(batch["places"]) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().losses(outputs, batch, step)

    return Full


def test_a_step_that_does_not_fit_names_the_batch_that_would(full, tmp_path):
    """1000 bytes, 288 of them for the optimiser's state to come: three samples beside 400."""
    with pytest.raises(InputError, match="4 samples at once do not fit") as error:
        run(settings(), full, run_folder=tmp_path / "run", output=tmp_path / "out")
    assert "about 3 do: set batch_size to 3 or less or, where" in str(error.value)
    assert "accumulation to 2 or more" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_not_even_two_samples_fit(full, tmp_path, monkeypatch):
    def try_out(updates, batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Updates, "try_out", try_out)
    with pytest.raises(
        InputError, match=r"do not fit into the memory of this GPU\. Lower batch_size"
    ):
        run(settings(), full, run_folder=tmp_path / "run", output=tmp_path / "out")
