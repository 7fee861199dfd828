# SPDX-License-Identifier: Apache-2.0
"""A server that runs out of file descriptors accepts again as soon as some come free.

    descriptors.py VIOMMUD

Starts the server with so few descriptors that clients use them all up, lets further clients wait
and give up, closes everything, and asks for an answer.
"""

import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DESCRIPTORS = 64
REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(REQUEST)
    return client


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"descriptors.py: {what}")
        time.sleep(0.01)


def play(pid, port, idle, count):
    """Opens `count` clients, more than there are descriptors, and closes them all."""
    clients = [connect(port) for _ in range(count)]
    until(lambda: descriptors(pid) >= DESCRIPTORS, "the clients did not use up the descriptors")
    waiting = connect(port)
    waiting.close()
    for client in clients:
        client.close()
    with connect(port) as late:
        answer = late.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"descriptors.py: after {count} clients the answer is {answer!r}")
    until(lambda: descriptors(pid) <= idle, "descriptors stay open when all clients have gone")


def main():
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder, "port")
        command = [sys.argv[1], "--listen", "127.0.0.1:0", "--port-file", port_file,
                   "--log-level", "critical"]
        with subprocess.Popen(command, preexec_fn=limit) as server:
            try:
                until(lambda: port_file.exists(), "the server did not start")
                port = int(port_file.read_text())
                idle = descriptors(server.pid)
                # Exactly as many as there is room for, one more, and far too many.
                room = DESCRIPTORS - idle
                for count in (room, room + 1, 200):
                    play(server.pid, port, idle, count)
                    print(f"{count} clients with {DESCRIPTORS} descriptors: accepted again")
            finally:
                server.terminate()


main()
