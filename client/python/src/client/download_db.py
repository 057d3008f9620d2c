"""Saves the server's database as `images_server.db`, as image_proxy_project's program of this name did."""

import sys

from pixedge_client._backup import main

if __name__ == "__main__":
    sys.exit(main())
