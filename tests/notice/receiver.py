"""A message service: a real HTTP server that verifies signatures and says what it is told to say."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


class Receiver:
    """Listens on a free port of the loopback interface; ``calls`` are the verified messages in order."""

    def __init__(self) -> None:
        self.secret = ""
        self.status = 200  #: what it answers
        self.calls: list[tuple[str, dict[str, Any]]] = []  #: (webhook-id, data) of what it took
        self.attempts: list[str] = []  #: webhook-id of every attempt
        self.forged: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.send_response(receiver.take(dict(self.headers.items()), body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notices"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: str) -> int:
        """One call; what it is answered."""
        id = next(value for name, value in headers.items() if name.lower() == "webhook-id")
        try:
            said = Webhook(self.secret).verify(body, headers)
        except Exception as error:
            self.forged.append(repr(error))
            return 401
        self.attempts.append(id)
        if self.status < 300:
            self.calls.append((id, said["data"]))
        return self.status

    def of(self, resident: str, purpose: str | None = None) -> list[dict[str, Any]]:
        """What it took about one resident."""
        return [data for _, data in self.calls if data["resident"] == resident and purpose in (None, data["purpose"])]

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
