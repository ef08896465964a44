"""Sums: arrays in, arrays out, on any device."""
