# SPDX-License-Identifier: Apache-2.0
"""The server under a service manager: what it is given, and what it tells.

    service.py VIOMMUD

Plays the manager: opens the sockets, starts the server with them, listens for its messages, and
stops or kills it.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# Descriptors 3 and following are the sockets', and the process that is started says which it is.
START = 'exec 3<&"$FIRST" 4<&"$SECOND"; unset FIRST SECOND; LISTEN_PID=$$ exec "$0" "$@"'
PATIENCE = 20


def check(holds, what):
    if not holds:
        sys.exit(f"service.py: {what}")


class Manager:
    def __init__(self, folder):
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inbox.settimeout(PATIENCE)
        self.inbox.bind(str(Path(folder, "notify")))
        tcp = socket.create_server(("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        self.path = str(Path(folder, "server"))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(self.path)
        unix.listen()
        self.listeners = [tcp, unix]

    def start(self, *arguments, **variables):
        """Starts a server with the two sockets."""
        descriptors = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in self.listeners]
        environment = {
            **os.environ, "FIRST": str(descriptors[0]), "SECOND": str(descriptors[1]),
            "LISTEN_FDS": "2", "NOTIFY_SOCKET": self.inbox.getsockname(), **variables}
        try:
            return subprocess.Popen(
                ["bash", "-c", START, sys.argv[1], "--log-level", "critical", *arguments],
                pass_fds=descriptors, env=environment, stderr=subprocess.PIPE)
        finally:
            for one in descriptors:
                os.close(one)

    def hear(self, *wanted):
        """Waits for a message, with nothing but the messages `wanted` before it."""
        text = self.inbox.recv(4096).decode()
        check(text.split("\n")[0] in wanted, f"{text!r} came, and not {wanted}")
        return text

    def connect(self, is_unix):
        if not is_unix:
            return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(self.path)
        return client


def answer(client):
    with client:
        return client.recv(4096).startswith(b"HTTP/1.1 200")


def serves_what_it_is_given_and_tells(manager):
    # Whoever comes before the server waits for it.
    early = [manager.connect(is_unix) for is_unix in (False, True)]
    for client in early:
        client.sendall(REQUEST)
    server = manager.start(WATCHDOG_USEC="200000")
    text = manager.hear("READY=1")
    check(f"127.0.0.1:{manager.port}" in text and manager.path in text, f"the status is {text!r}")
    check(all(answer(client) for client in early), "who came early was not answered")
    for _ in range(3):
        manager.hear("WATCHDOG=1")
    server.send_signal(signal.SIGTERM)
    while manager.hear("WATCHDOG=1", "STOPPING=1").startswith("WATCHDOG"):
        pass
    check(server.wait(PATIENCE) == 0, "a stop is no success")
    check(os.path.exists(manager.path), "the manager's socket was removed")
    drain(manager)


def is_followed_by_another(manager):
    first = manager.start()
    manager.hear("READY=1")
    first.kill()
    first.wait()
    clients = [manager.connect(is_unix) for is_unix in (False, True)]
    for client in clients:
        client.sendall(REQUEST)
    second = manager.start()
    manager.hear("READY=1")
    check(all(answer(client) for client in clients), "the next server does not answer")
    second.terminate()
    manager.hear("STOPPING=1")
    check(second.wait(PATIENCE) == 0, "a stop is no success")


def refuses_what_is_no_listener_of_its_own_machine(manager):
    with socket.create_server(("0.0.0.0", 0)) as everywhere, open(os.devnull) as nothing:
        for wrong in (everywhere, nothing):
            manager.listeners[1:] = [wrong]
            server = manager.start()
            text = server.communicate(timeout=PATIENCE)[1].decode()
            check(server.returncode == 64, f"{wrong} is not refused: {server.returncode}")
            check("Error:" in text, f"it says {text!r}")
        # Variables that are meant for another process say nothing.
        server = manager.start("--listen", "127.0.0.1:0", LISTEN_FDS="0")
        manager.hear("READY=1")
        server.terminate()
        manager.hear("STOPPING=1")
        check(server.wait(PATIENCE) == 0, "a stop is no success")


def drain(manager):
    """Throws away what is left of a server that has ended."""
    manager.inbox.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while manager.inbox.recv(4096):
            pass
    manager.inbox.settimeout(PATIENCE)


def main():
    for play in (serves_what_it_is_given_and_tells, is_followed_by_another,
                 refuses_what_is_no_listener_of_its_own_machine):
        with tempfile.TemporaryDirectory() as folder:
            play(Manager(folder))
        print(play.__name__.replace("_", " "))


main()
