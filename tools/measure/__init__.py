"""What measures speed, memory, rate and distortion."""
