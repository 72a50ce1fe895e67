"""Benchmarks: what the product does against what it should, or against its peers, measured in one run."""
