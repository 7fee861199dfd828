# SPDX-License-Identifier: Apache-2.0
"""A server that wants tokens, its file of them, and clients as people use them.

    tokens.py VIOMMUD

Starts servers with good and bad files, asks them by curl and by requests, changes the file under a
running server and sends it SIGHUP. What the server says in its log tells when it has read.
"""

import contextlib
import hashlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

PATIENCE = 20
DIGEST = hashlib.sha256(b"secret").hexdigest()


def check(holds, what):
    if not holds:
        sys.exit(f"tokens.py: {what}")


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.01)


def line(name, token, scope, hosts):
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()} {scope} {hosts}\n"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Server:
    """A server, and the lines of its log as they come."""

    def __init__(self, folder, tokens, *arguments):
        self.file = Path(folder, "tokens")
        self.write(tokens)
        self.socket = str(Path(folder, "socket"))
        port_file = Path(folder, "port")
        self.process = subprocess.Popen(
            [sys.argv[1], "--listen", "127.0.0.1:0", "--unix", self.socket, "--port-file", port_file,
             "--token-file", self.file, "--threads", "2", *arguments],
            stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        until(port_file.exists, "the server does not start")
        self.url = f"http://127.0.0.1:{int(port_file.read_text())}"

    def write(self, text):
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(text.encode())

    def listen(self):
        for text in self.process.stderr:
            self.lines.put(text)
        self.lines.put(None)

    def hear(self, wanted):
        """Waits for a line of the log; returns it and those before it."""
        heard = []
        while True:
            text = self.lines.get(timeout=PATIENCE)
            check(text is not None, f"the server ended before it said {wanted!r}: {heard}")
            heard.append(text)
            if wanted in text:
                return heard

    def hang_up(self, text, wanted):
        """Changes the file and has it read again."""
        self.write(text)
        self.process.send_signal(signal.SIGHUP)
        return self.hear(wanted)

    def stop(self):
        self.process.terminate()
        check(self.process.wait(PATIENCE) == 0, "a stop is no success")


@contextlib.contextmanager
def serving(tokens, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, tokens, *arguments)
        try:
            yield server
            server.stop()
        finally:
            server.process.kill()


def curl(*arguments):
    """The status and the header section and body of an answer, as curl has them."""
    result = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--max-time", str(PATIENCE), *arguments],
        capture_output=True, text=True, check=True)
    return int(result.stdout.split()[1]), result.stdout


def clients_are_known_by_their_tokens():
    tokens = line("boss", "secret", "admin", "*") + line("lab", "of-the-lab", "write", "lab")
    with serving(tokens, "--log-level", "debug") as server:
        url = server.url
        check(curl(url + "/livez")[0] == 200, "whether it lives is no secret")
        status, text = curl(url + "/v1/ioas")
        check(status == 401 and 'WWW-Authenticate: Bearer realm="viommud"' in text, text)
        check(curl("--oauth2-bearer", "secret", url + "/v1/ioas")[0] == 200, "curl is not let in")
        check(curl("--user", "boss:secret", url + "/v1/ioas")[0] == 401, "a password is a token")
        over_unix = ("--unix-socket", server.socket, "http://localhost/v1/ioas")
        check(curl(*over_unix)[0] == 401, "a Unix socket needs no token")
        check(curl("--oauth2-bearer", "secret", *over_unix)[0] == 200, "a Unix socket takes none")
        # A body that is not small is refused before it is sent.
        body = Path(server.file.parent, "body")
        body.write_bytes(b" " * (4 << 20))
        status, text = curl("--json", f"@{body}", "--header", "Expect: 100-continue", url + "/v1/ioas")
        check(status == 401 and "100 Continue" not in text, text)

        boss, lab = requests.Session(), requests.Session()
        boss.headers.update(bearer("secret"))
        lab.headers.update(bearer("of-the-lab"))
        check(boss.put(url + "/v1/hosts/lab", json={}).status_code == 201, "admin makes no host")
        check(lab.post(url + "/v1/hosts/lab/ioas", json={}).status_code == 201, "write makes nothing")
        names = [item["id"] for item in lab.get(url + "/v1/hosts").json()["items"]]
        check(names == ["lab"], f"the lab sees {names}")
        for method, path in [("GET", "/v1/ioas"), ("DELETE", "/v1/hosts/lab"), ("GET", "/metrics")]:
            answer = lab.request(method, url + path)
            check(answer.status_code == 403, f"{method} {path} is {answer.status_code}")
            check(answer.json()["code"] == "forbidden", answer.text)
        answer = boss.get(url + "/metrics", headers={"X-Request-ID": "the-last"})
        check(answer.status_code == 200, "the boss sees no metrics")
        log = server.hear("id=the-last")
        check("client=boss" in log[-1], f"the log does not say who it was: {log[-1]}")
        told = [text for text in log if "secret" in text or "of-the-lab" in text]
        check(not told, f"a token is in the log: {told}")


def a_file_is_read_again_and_no_connection_is_lost():
    old, new = line("old", "old", "write", "*"), line("new", "new", "write", "*")
    with serving(old + new) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)

        def status(token):
            connection.request("GET", "/v1/ioas", headers=bearer(token))
            with connection.getresponse() as answer:
                answer.read()
                return answer.status

        check(status("old") == 200, "the old token is no good")
        socket_before = connection.sock
        stream = requests.get(server.url + "/v1/events?follow=true", headers=bearer("old"),
                              stream=True, timeout=PATIENCE)
        kept = requests.get(server.url + "/v1/events?follow=true", headers=bearer("new"),
                            stream=True, timeout=PATIENCE)
        lines, kept_lines = stream.iter_lines(chunk_size=1), kept.iter_lines(chunk_size=1)
        for each in (lines, kept_lines):
            check(json.loads(next(each))["type"] == "hello", "a stream does not begin")

        # What is wrong leaves everything as it is, and is in the log with its place.
        for wrong, says in [
            ("old\n", "tokens:1: has 1 fields"),
            (old + f"x {DIGEST} read *\r\n", "tokens:2: byte"),
            (old + f"x\r\nSet-Cookie: y {DIGEST} read *\n", "tokens:2: byte 2 is the control byte 0x0d"),
            (old + old, "tokens:2: line 1 has the same name"),
        ]:
            heard = server.hang_up(wrong, "the tokens stay as they were")
            check(any(says in text for text in heard), f"{says!r} is not in {heard}")
            check(status("old") == 200, "the token is gone")
        server.write(new)
        server.file.chmod(0o644)
        server.process.send_signal(signal.SIGHUP)
        heard = server.hear("the tokens stay as they were")
        check(any("has the mode 0644" in text for text in heard), f"{heard}")
        server.file.chmod(0o600)

        server.hang_up(new, "tokens were read")
        check(status("old") == 401, "the old token is good")
        check(status("new") == 200, "the new token is no good")
        check(socket_before is not None and connection.sock is socket_before, "it was disconnected")
        last = [json.loads(text) for text in lines if text][-1]
        check(last["type"] == "bye" and last["reason"] == "unauthorized", f"the stream ends {last}")
        url = server.url + "/v1/ioas"
        requests.post(url, timeout=PATIENCE, json={"id": "ram"}, headers=bearer("new")).raise_for_status()
        types = (json.loads(text)["type"] for text in kept_lines if text)
        check("ioas.created" in types, "the stream of a token that stays has ended")
        for each in (stream, kept, connection):
            each.close()


def refuse(path, says, code, *arguments):
    result = subprocess.run(
        [sys.argv[1], "--listen", "127.0.0.1:0", "--token-file", path, *arguments],
        capture_output=True, text=True, timeout=PATIENCE, check=False)
    check(result.returncode == code and says in result.stderr,
          f"{path}: {result.returncode} {result.stderr!r}, not {code} {says!r}")
    check("secret" not in result.stderr.replace(str(path), ""), f"a token is told: {result.stderr!r}")


def a_file_that_is_wrong_is_refused_with_the_reason():
    good = f"ci {DIGEST} read *\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokens")
        path.write_text(good)
        modes = [0o644, 0o640, 0o604, 0o660, 0o666, 0o700, 0o200, 0o4600]
        for mode in modes:
            path.chmod(mode)
            # Without the right to read it cannot even be opened, except by root.
            says = f"has the mode 0{mode:o}" if mode & 0o400 or os.geteuid() == 0 else "opened"
            refuse(path, says, 66)
        path.chmod(0o600)
        for text, says in [
            ("ci secret read *\n", ":1: the second field"), ("\n#\nsecret\n", ":3: has 1 fields"),
            (good + "x\0 " + DIGEST + " read *\n", ":2: byte 2 is the control byte 0x00"),
            (good + f"y {DIGEST} read *\n", ":2: line 1 is for the same token"),
        ]:
            path.write_text(text)
            refuse(path, str(path) + says, 65)
        with open(path, "wb") as file:
            file.truncate((1 << 20) + 1)
        refuse(path, "has more than 1048576 bytes", 66)
        # Nobody writes into the FIFO, and nobody waits for that.
        fifo = Path(folder, "fifo")
        os.mkfifo(fifo, 0o600)
        for other in (fifo, folder, "/dev/null"):
            refuse(other, "is no regular file", 66)
        unix = socket.socket(socket.AF_UNIX)
        with unix:
            unix.bind(str(Path(folder, "socket")))
            refuse(Path(folder, "socket"), "cannot be opened", 66)
        refuse(Path(folder, "missing"), "cannot be opened: No such file", 66)
        path.write_text(good)
        refuse(path, "tokens would go over the network in clear text", 64, "--listen", "0.0.0.0:0")


def main():
    for play in (clients_are_known_by_their_tokens, a_file_is_read_again_and_no_connection_is_lost,
                 a_file_that_is_wrong_is_refused_with_the_reason):
        play()
        print(play.__name__.replace("_", " "))


main()
