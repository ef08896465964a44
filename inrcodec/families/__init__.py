"""Families of networks: what the network of a file is."""
