"""How good clusters are."""
