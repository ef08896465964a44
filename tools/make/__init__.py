"""What makes pages, figures and files that are committed."""
