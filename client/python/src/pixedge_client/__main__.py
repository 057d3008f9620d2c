"""`python -m pixedge_client FILE…`: prints the URL of each file, or what went wrong."""

import sys

from ._upload import upload_or_get


def main(arguments=None):
    paths = sys.argv[1:] if arguments is None else arguments
    if not paths or paths[0] in ("-h", "--help"):
        print("usage: pixedge-upload FILE...   (the whole client is the command pixedge-client)", file=sys.stderr)
        return 0 if paths else 2
    failed = False
    for path in paths:
        info = upload_or_get(path)
        if "error" in info:
            failed = True
            print(info["error"], file=sys.stderr)
        else:
            print(info["url"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
