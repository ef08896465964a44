"""Searching: the loop that fits, its optimizer, and what an interrupted one is resumed from."""
