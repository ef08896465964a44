"""Pictures of other formats: read, and written."""
