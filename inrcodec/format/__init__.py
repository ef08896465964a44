"""Bytes: what a file is, its parts and its limits; no network, no device."""
