"""A server of a few lines that answers as a recording says: `fake_server.py RECORDING SERVER -config.file=…`."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RECORDING = json.loads(Path(sys.argv[1]).read_text())
PORTS = dict(pair.split("=") for pair in os.environ["STANDIN_PORTS"].split(","))
FACTOR = float(os.environ["STANDIN_FACTOR"])
ANSWERS = {(each["request"]["method"], each["request"]["path"]): each["response"] for each in RECORDING["exchanges"]}
STARTED = time.monotonic()


def readiness() -> tuple[int, str]:
    """Return the recorded answer of this moment; the first question starts the clock."""
    global STARTED
    states = [each for each in RECORDING["first_ready_answers"] if each[1]]
    if not readiness.asked:
        readiness.asked, STARTED = True, time.monotonic()
    elapsed = (time.monotonic() - STARTED) * FACTOR + states[0][0]
    return next((each[1], each[2]) for each in reversed(states) if each[0] <= elapsed)


readiness.asked = False  # type: ignore[attr-defined]


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        response = ANSWERS.get((self.command, self.path), {"status": 404, "headers": {}, "body": ""})
        if self.path == RECORDING["ready_path"]:
            status, body = readiness()
            response = {"status": status, "headers": {}, "body": body}
        if not response["status"]:
            time.sleep(30)
            return
        self.send_response(response["status"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        body = response["body"].encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return


def stop(_signal: int, _frame: object) -> None:
    after = RECORDING["stop"]
    time.sleep(after["after_s"] / FACTOR)
    os._exit(after["exit_code"])


def main() -> None:
    if "exit_code" in RECORDING:
        print("\n".join(RECORDING["log_tail"]))
        sys.exit(RECORDING["exit_code"])
    server = ThreadingHTTPServer(("127.0.0.1", int(PORTS[str(RECORDING["port"])])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()


main()
