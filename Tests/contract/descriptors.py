# SPDX-License-Identifier: Apache-2.0
"""A server that runs out of file descriptors accepts again as soon as some come free.

    descriptors.py VIOMMUD

First with so few descriptors from the start on that the server takes fewer connections than it is
told; then with a limit that is lowered under a running server, so that accepting fails. Clients use
all up, further ones wait and give up, everything is closed, and an answer is asked for.
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


def play(pid, port, idle, count, full):
    """Opens `count` clients, more than are accepted, and closes them all.

    `full` is how many descriptors the server has once it takes no more."""
    clients = [connect(port) for _ in range(count)]
    until(lambda: descriptors(pid) >= full, "the clients did not use up the descriptors")
    waiting = connect(port)
    waiting.close()
    for client in clients:
        client.close()
    with connect(port) as late:
        answer = late.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"descriptors.py: after {count} clients the answer is {answer!r}")
    until(lambda: descriptors(pid) <= idle, "descriptors stay open when all clients have gone")


def connections(port):
    """How many connections the server takes, as it says itself."""
    with connect(port) as client:
        client.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b""
        while piece := client.recv(4096):
            text += piece
    return int(text.split(b'"connections":')[1].split(b",")[0])


def serve(folder, arguments, limit, body):
    """Starts a server and has `body` do something with it."""
    port_file = Path(folder, f"port{limit}")
    command = [sys.argv[1], "--listen", "127.0.0.1:0", "--port-file", port_file,
               "--log-level", "critical", *arguments]
    limits = (limit, limit)
    with subprocess.Popen(
        command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    ) as server:
        try:
            until(port_file.exists, "the server did not start")
            body(server.pid, int(port_file.read_text()))
        finally:
            server.terminate()


def few_from_the_start(pid, port):
    idle = descriptors(pid)
    most = connections(port)
    until(lambda: descriptors(pid) <= idle, "the first client's descriptor stays open")
    # Exactly as many as there is room for, one more, and far too many.
    for count in (most, most + 1, 200):
        play(pid, port, idle, count, idle + most)
        print(f"{count} clients with {DESCRIPTORS} descriptors: accepted again")


def fewer_all_at_once(pid, port):
    idle = descriptors(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (idle + 5, 1024))
    for count in (6, 200):
        play(pid, port, idle, count, idle + 5)
        print(f"{count} clients with {idle + 5} descriptors, of which accept knows nothing: again")


def main():
    with tempfile.TemporaryDirectory() as folder:
        serve(folder, ["--threads", "2"], DESCRIPTORS, few_from_the_start)
        serve(folder, ["--threads", "4"], 1024, fewer_all_at_once)


main()
