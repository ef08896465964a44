"""What makes, measures and attacks; run as scripts, such as `python tools/measure/bench.py decode`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder."""
