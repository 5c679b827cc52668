"""A Tempo that answers 500 on one path that reads data, and as it should on all others."""

import http.client
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BROKEN = "/tempo/api/search/tags"
PORT, TEMPO_PORT = 3200, 3201


class Handler(BaseHTTPRequestHandler):
    """Passes requests on to Tempo, but for those on the broken path."""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == BROKEN:
            return self._answer(500, b"boom\n", {})
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        tempo = http.client.HTTPConnection("127.0.0.1", TEMPO_PORT)
        try:
            tempo.request(self.command, self.path, content or None, dict(self.headers.items()))
            answer = tempo.getresponse()
            return self._answer(answer.status, answer.read(), dict(answer.headers.items()))
        except OSError:
            return self._answer(503, b"Tempo does not listen\n", {})
        finally:
            tempo.close()

    def do_POST(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with subprocess.Popen(["/tempo", *sys.argv[1:]]):
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
