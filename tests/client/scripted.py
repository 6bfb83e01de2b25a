"""A small HTTP server that answers as it was told: what a proxy, a broker or a failing service may say."""

import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROBLEM = "application/problem+json"


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    endless: bytes = b""  # sent again and again after the body, until the client has gone


class Dropped(Reply):
    """The connection is closed without an answer."""


class Silent(Reply):
    """No answer, until the client has gone."""


class Scripted:
    """`replies` in turn, the last one for ever after; `requests`: (method, path, headers, body) of each that came; `asked`: one
    has."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []
        self.asked = threading.Event()
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def take(self, request):
        with self._lock:
            self.requests.append(request)
            self.asked.set()
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        reply = self.server.script.take((self.command, self.path, dict(self.headers), body))
        self.close_connection = True
        if isinstance(reply, Dropped):
            return
        if isinstance(reply, Silent):
            self.server.script.ended.wait()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.endless and "content-length" not in reply.headers:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        try:
            while reply.endless and not self.server.script.ended.wait(0.01):
                self.wfile.write(reply.endless)
        except OSError:
            pass  # the client has gone

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that left, or trusts no certificate of ours


@contextmanager
def scripted(*replies, certificate=None):
    """Yields (script, URL); an https one where a certificate (a file with its key) is given."""
    script = Scripted(*replies)
    server = Server(("127.0.0.1", 0), Handler)
    server.script = script
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script, f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        script.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
