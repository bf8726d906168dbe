"""CLIP backbones: made, loaded, saved and used for encoding."""
