"""Starts the guard: `python -I -S .../incumbent/_cli/guard DESCRIPTOR COMMAND...`.

`incumbent` itself is not imported on the way: its __init__ would bring grpc along.
"""

import sys
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    package = ModuleType("incumbent")
    package.__path__ = [str(Path(__file__).resolve().parents[2])]
    sys.modules["incumbent"] = package

    from incumbent._cli.guard.loop import main

    main(int(sys.argv[1]), sys.argv[2:])
