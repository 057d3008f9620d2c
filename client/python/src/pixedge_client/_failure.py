"""What can go wrong. The texts are those of image_proxy_project, whose users look for them."""


class Failure(Exception):
    """The base of all of them; its text is for people."""


class Denied(Failure):
    """The server does not allow it with these credentials."""

    def __init__(self, code, status):
        super().__init__("该用户权限不足，请联系管理员")
        self.code = code
        self.status = status


class Unreachable(Failure):
    """The server is away or too busy: another try may go better."""


class NotFound(Failure):
    """The server has no such thing."""


class Refused(Failure):
    """The server understood and will not."""
