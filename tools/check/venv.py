"""Makes a virtual environment below var/ if need be and prints its Python: check.venv NAME REQUIREMENTS."""

import sys
import tempfile

from .context import Context

if __name__ == "__main__":
    python = Context(tempfile.mkdtemp(prefix="ganglion-venv-")).venv(sys.argv[1], sys.argv[2])
    if python is None:
        sys.exit(1)
    print(python)
