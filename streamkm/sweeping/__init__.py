"""Many models over the same rows, which are read once for all."""
