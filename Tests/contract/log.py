# SPDX-License-Identifier: Apache-2.0
"""No byte of a client stands in the log as it is, and a log in JSON is JSON, line by line.

    log.py VIOMMUD
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Each is one request; what is odd about it must not make a line of its own.
TARGETS = [
    b"/livez",
    b"/a\x1b[31mred",
    b'/quote"and\\backslash',
    b"/\xff\xfe\x7f",
    b"/%0d%0a{\"level\":\"critical\"}",
]


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"log.py: {what}")
        time.sleep(0.01)


def ask(port, target):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n"
                       b"X-Request-ID: a\x1bb\r\nConnection: close\r\n\r\n")
        while client.recv(4096):
            pass


def lines_of(folder, form):
    port_file, log = Path(folder, f"port-{form}"), Path(folder, f"log-{form}")
    command = [sys.argv[1], "--listen", "127.0.0.1:0", "--port-file", port_file,
               "--log-format", form, "--access-log"]
    with log.open("wb") as output, subprocess.Popen(command, stderr=output) as server:
        try:
            until(port_file.exists, "the server did not start")
            port = int(port_file.read_text())
            for target in TARGETS:
                ask(port, target)
            until(lambda: log.read_bytes().count(b"target") >= len(TARGETS), "a request has no line")
        finally:
            server.terminate()
    return [line for line in log.read_bytes().split(b"\n") if line]


def main():
    with tempfile.TemporaryDirectory() as folder:
        for form in ("text", "json"):
            lines = lines_of(folder, form)
            for line in lines:
                if any(byte < 0x20 or byte > 0x7e for byte in line):
                    sys.exit(f"log.py: {line!r} has a byte that is not printable")
            requests = [line for line in lines if b"target" in line]
            if len(requests) != len(TARGETS):
                sys.exit(f"log.py: {len(requests)} lines for {len(TARGETS)} requests")
            if form == "json":
                for line in lines:
                    entry = json.loads(line)
                    if not {"time", "level", "message"} <= entry.keys():
                        sys.exit(f"log.py: {line!r} lacks something")
            print(f"{len(lines)} lines as {form}")


main()
