"""Source kinds: where images and labels come from."""
