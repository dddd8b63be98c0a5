"""`python api/api_server.py`: every protocol on one port, without the page."""

import sys
from pathlib import Path

# Python puts this file's folder first, where a module of ours could shadow the standard library; the checkout belongs there.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "api_server.py"))
