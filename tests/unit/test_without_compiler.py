"""open_clip is imported without torch's compiler, which stays as it is for everybody else."""

import subprocess
import sys

import pytest

from workflow_run import ROOT

WITHOUT = "import sys; import nicheclip.models.openclip; assert 'torch._dynamo' not in sys.modules"


def run(*lines):
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "then",
    [
        ["import torch", "assert torch.compile(torch.sin, backend='eager')(torch.zeros(1)) == 0"],
        ["from torch._dynamo.utils import is_compile_supported, counters"],
        # as torchvision has it, whether a build has the operator or not
        [
            "from torchvision.ops.roi_align import is_compile_supported",
            "assert is_compile_supported('cpu') in (True, False)",
            "assert 'torch._dynamo' in sys.modules",
        ],
    ],
    ids=["compile", "import", "from_torchvision"],
)
def test_the_compiler_is_there_when_it_is_asked_for(then):
    run(WITHOUT, *then)


def test_while_open_clip_is_imported_the_compiler_may_be_too():
    run(
        "from nicheclip.runtime.without_compiler import without_compiler",
        "with without_compiler():",
        "    import torch._dynamo, open_clip",
        "    assert torch._dynamo.utils.counters is not None",
        "import torch",
        "assert torch.compiler.disable.__module__ == 'torch.compiler'",
        "assert torch._dynamo.disable(abs)(-1) == 1",
    )


def test_marks_leave_functions_as_they_are():
    run(
        "from nicheclip.runtime.without_compiler import without_compiler",
        "with without_compiler():",
        "    import torch",
        "    assert torch.compiler.disable(abs) is abs",
        "    assert torch.compiler.disable(reason='')(abs) is abs",
    )


def test_a_model_that_is_compiled_later_gives_the_same():
    run(
        WITHOUT,
        "import timm, torch",
        "torch.manual_seed(0)",
        "settings = dict(num_classes=0, img_size=32, dynamic_img_size=True, depth=2)",
        "model = timm.create_model('vit_tiny_patch16_224', **settings).eval()",
        "compiled = torch.compile(model, backend='eager')",
        "for edge in (32, 48):  # the second resamples positions, in a function that timm marks",
        "    images = torch.rand(2, 3, edge, edge)",
        "    with torch.no_grad():",
        "        assert torch.equal(compiled(images), model(images))",
    )
