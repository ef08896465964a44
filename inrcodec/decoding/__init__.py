"""From a file's network to samples: pictures of any size, derivatives, checks."""
