"""Learned weights that ship with the package, each with a JSON card beside it; no code, and no row of a data set."""
