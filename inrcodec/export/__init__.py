"""A file as something that shows itself: a web page, a shader."""
