"""From sources to a catalog, encoded images and WebDataset shards."""
