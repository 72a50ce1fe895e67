"""Comparing patients and wards: what the page `/compare` is made of."""
