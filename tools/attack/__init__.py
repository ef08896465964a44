"""What tries to break the codec, and counts."""
