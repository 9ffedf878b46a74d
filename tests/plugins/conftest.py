"""Tests of plugins can import the modules beside them that hold no tests, such as `published_layout`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
