"""Data sets and models of configs whose costs are tested."""

import yaml

#: one whose images the registry counts, and one that nobody has counted
COST_DATA = yaml.safe_load("""
datasets:
  satellite: {source: {kind: registry, name: eurosat}, split: {method: hash, val: 0.1, test: 0.2}}
  mine: {source: {kind: folder, path: mine}}
models:
  clip: {architecture: ViT-B-32, pretrained: openai}
  resnet: {architecture: RN50, pretrained: openai}
""")
