"""A small config with something of most sections, to plan."""

import yaml

CONFIG = yaml.safe_load("""
datasets:
  fish: {source: {kind: folder, path: fish}, shards: 2}
  birds: {source: {kind: table, path: birds.csv}}
  worms: {source: {kind: registry, name: eurosat}}
  spores:
    source: {kind: synthetic, world: {name: fungi}}
    split: {method: given, val: 0.3}
    captions: words
captions:
  words: {dataset: spores, backend: {kind: template, grammar: fungi}}
  said: {dataset: fish, backend: {kind: ollama, model: m, prompt: fungalzsl}}
  given: {dataset: fish, backend: {kind: replay, path: given.jsonl}}
models:
  small: {architecture: nicheclip-small}
  clip: {architecture: ViT-B-32, pretrained: openai}
training:
  own: &run
    dataset: fish
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
    seeds: [3, 5]
  tuned: {<<: *run, model: clip}
  other: {<<: *run, dataset: birds}
evaluation:
  e:
    dataset: fish
    protocols: [zero_shot, few_shot]
  elsewhere:
    dataset: [birds, fish]
    runs: [own]
    models: [clip, small]
    baseline: false
    class_texts: {kind: templates, templates: photo}
""")
