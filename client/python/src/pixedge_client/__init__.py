"""Uploads pictures to a pixedge server and never sends one twice.

>>> from pixedge_client import get_image_url
>>> get_image_url("example.png")            # doctest: +SKIP
'https://img.example.com/i/k3Jd9s'
"""

from ._backup import download_backup
from ._upload import get_image_url, upload_or_get

__all__ = ["download_backup", "get_image_url", "upload_or_get"]
__version__ = "0.1.0"
