#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A proxy for HTTP that makes every mirror behind it a slow one.

usage: slow_proxy.py FILE

Its port is in FILE once it listens on the loopback. The first answers come after 40 s, longer
than apt waits by itself, all others after half a second; large ones stop in their middle for
as long, and come at 8 MB/s.
"""

import http.client
import http.server
import os
import sys
import threading
import time
import urllib.parse

PAUSE = 40
FIRST = 2  # so many answers are that late
LARGE = 20 << 20
RATE = 8 << 20
CHUNK = 1 << 18


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    late = threading.Semaphore(FIRST)

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        time.sleep(PAUSE if self.late.acquire(blocking=False) else 0.5)
        mirror = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=60)
        kept = {k: v for k, v in self.headers.items() if not k.lower().startswith(("proxy-", "connection"))}
        mirror.request("GET", urllib.parse.urlunsplit(("", "", url.path, url.query, "")), headers=kept)
        answer = mirror.getresponse()
        size = int(answer.headers.get("Content-Length") or 0)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        sent = 0
        while sent < size:
            data = answer.read(min(CHUNK, size - sent))
            if not data:
                self.close_connection = True
                break
            if size > LARGE and sent <= size // 2 < sent + len(data):
                time.sleep(PAUSE)
            self.wfile.write(data)
            sent += len(data)
            time.sleep(len(data) / RATE)
        mirror.close()

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    with open(sys.argv[1] + ".new", "w", encoding="ascii") as f:
        print(server.server_port, file=f)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
