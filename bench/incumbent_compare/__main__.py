"""`python -m incumbent_compare` is the command `incumbent-compare`."""

import sys

from incumbent_compare.cli import main

if __name__ == "__main__":
    sys.exit(main())
