"""One script a figure that we claim, each printing it beside its peer and writing `bench/results/NAME.json`."""
