"""What somebody with open_clip, and without this library, gets from model folders.

``python -I plain_open_clip.py ARGUMENTS.json``: ``folders`` by name, image files, texts and
``output``, which receives features of images and texts of each.
"""

import json
import sys
from pathlib import Path

sys.modules["nicheclip"] = None  # importing it is an error from here on

import numpy as np  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402


@torch.no_grad()
def features(folder, images, texts):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    prepared = torch.stack([preprocess(Image.open(image)) for image in images])
    model.eval()
    return {
        "images": model.encode_image(prepared, normalize=True).numpy(),
        "texts": model.encode_text(tokens, normalize=True).numpy(),
    }


def main(arguments):
    asked = json.loads(Path(arguments).read_text())
    found = {
        f"{name}-{kind}": values
        for name, folder in asked["folders"].items()
        for kind, values in features(folder, asked["images"], asked["texts"]).items()
    }
    np.savez(asked["output"], **found)


if __name__ == "__main__":
    main(sys.argv[1])
