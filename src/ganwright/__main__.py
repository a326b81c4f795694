"""`python -m ganwright`, and so `torchrun -m ganwright`."""

import sys

from ganwright.cli import main

if __name__ == "__main__":
    sys.exit(main())
