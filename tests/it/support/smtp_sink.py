"""A mail server that keeps what it is given: each mail is a file of the working directory, `1.eml` and so on.

usage: smtp_sink.py PORT. The first mail is put off once with 451, as greylisting does.
"""

import asyncio
import pathlib
import sys

from aiosmtpd.smtp import SMTP


class Keep:
    def __init__(self):
        self.seen = 0

    async def handle_DATA(self, server, session, envelope):
        self.seen += 1
        if self.seen == 1:
            return "451 4.7.1 come back later"
        # Under another name first: whoever waits for the file finds it whole.
        part = pathlib.Path("part")
        part.write_bytes(envelope.content)
        part.rename(f"{self.seen - 1}.eml")
        return "250 kept"


async def main():
    keep = Keep()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(keep, hostname="sink"), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
