"""Rate and distortion of this codec and of others, from real files."""
