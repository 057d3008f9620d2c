"""Requests to `/v1`: who one is, what is tried again and for how long, and what an answer that is no success means."""

import email.utils
import http.client
import json
import threading
import time
import urllib.error
import urllib.request

from ._failure import Denied, Failure, NotFound, Refused, Unreachable

# Tries where the network itself failed.
TRIES = 3
# Access tokens that passwords were exchanged for, by server and name.
_tokens = {}
_lock = threading.Lock()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A form that is redirected arrives empty, and credentials are for one server."""

    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(_NoRedirect)


class Api:
    """One server, as one account."""

    def __init__(self, config):
        self._config = config
        self.server = config.server

    def json(self, method, path, headers=None, body=None, length=None):
        """A success as JSON. `body` gives the pieces of the body, anew at each call; everything else is raised."""
        with self.open(method, path, headers, body, length) as response:
            return self._decoded(response.read())

    def open(self, method, path, headers=None, body=None, length=None):
        """A success whose body is still to be read."""
        token = self._token()
        try:
            return self._tried(method, path, headers, body, length, token)
        except Denied as denied:
            # An access token that ended while we were at work.
            if self._config.key or not token or denied.status != 401:
                raise
            with _lock:
                _tokens.pop((self.server, self._config.username), None)
            return self._tried(method, path, headers, body, length, self._token())

    def _token(self):
        config = self._config
        if config.key:
            return config.key
        if not config.username or config.password is None:
            return None
        with _lock:
            name = (self.server, config.username)
            if name not in _tokens:
                body = json.dumps({"username": config.username, "password": config.password}).encode()
                headers = {"Content-Type": "application/json"}
                with self._tried("POST", "/v1/login", headers, lambda: [body], len(body), None) as response:
                    _tokens[name] = self._decoded(response.read())["access_token"]
            return _tokens[name]

    def _tried(self, method, path, headers, body, length, token):
        waited = 0.0
        for tried in range(1, 100):
            request = urllib.request.Request(self.server + path, method=method, headers=headers or {})
            request.add_header("User-Agent", "pixedge-client-python/0.1")
            if token:
                request.add_header("Authorization", f"Bearer {token}")
            if body is not None:
                request.data = iter(body())
                request.add_header("Content-Length", str(length))
            try:
                return _opener.open(request, timeout=60)
            except urllib.error.HTTPError as error:
                with error:
                    wait = _wait_of(error)
                    if wait is None:
                        raise self._failure(error) from None
                    detail = _problem(error).get("detail") or f"it answers {error.code}"
                if waited + wait > self._config.patience:
                    raise Unreachable(f"{self.server} is too busy: {detail}") from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                if tried >= TRIES:
                    raise Unreachable(f"{self.server} cannot be reached: {reason}") from error
                wait = 0.2 * 3 ** (tried - 1)
            time.sleep(wait)
            waited += wait
        raise Unreachable(f"{self.server} is too busy")

    def _failure(self, error):
        problem = _problem(error)
        code = problem.get("code") or f"http_{error.code}"
        text = problem.get("detail") or f"{self.server} answers {error.code}"
        if error.code in (401, 403) and code != "quota_exceeded":
            return Denied(code, error.code)
        if error.code in (404, 410) and "code" in problem:
            return NotFound(text)
        return Refused(f"{text} ({code})")

    def _decoded(self, text):
        try:
            return json.loads(text)
        except ValueError as error:
            raise Failure(f"{self.server} does not answer like a pixedge server") from error


def _problem(error):
    # Read once, kept for whoever asks again.
    if not hasattr(error, "pixedge_problem"):
        try:
            problem = json.loads(error.read())
        except (OSError, ValueError, http.client.HTTPException):
            problem = {}
        error.pixedge_problem = problem if isinstance(problem, dict) else {}
    return error.pixedge_problem


def _wait_of(error):
    """For how long the server wants to be left alone, if it says so."""
    if error.code not in (429, 502, 503, 504):
        return None
    told = error.headers.get("Retry-After", "").strip()
    if told.isdigit():
        return max(float(told), 0.1)
    try:
        moment = email.utils.parsedate_to_datetime(told).timestamp()
    except (TypeError, ValueError):
        return 2.0
    return max(moment - time.time(), 0.1)
