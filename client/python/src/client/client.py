"""The functions of image_proxy_project, by pixedge."""

import sys

from pixedge_client import get_image_url, upload_or_get
from pixedge_client.__main__ import main

__all__ = ["get_image_url", "upload_or_get"]

if __name__ == "__main__":
    sys.exit(main())
