"""The script `incumbent`."""

import sys
from importlib.util import find_spec


def main() -> int:
    """Run the command, or say what is missing."""
    for name in ("click", "rich"):
        if find_spec(name) is None:
            sentence = f"the command needs {name}: pip install 'incumbent[cli]'"
            print(f"incumbent: {sentence}", file=sys.stderr)
            return 2
    try:
        from incumbent._cli import app

        return app.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
