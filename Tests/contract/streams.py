#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows every stream of a server while its host changes, and holds each line against the
document. schemathesis cannot: such streams do not end by themselves."""

import json
import os
import pathlib
import sys
import threading

import requests

from document import LineChecker, line_schema

FOLDER = pathlib.Path(__file__).parent
DOCUMENT = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
WORLD = json.loads((FOLDER / "world.json").read_text(encoding="utf-8"))
TYPES = ("application/x-ndjson", "text/event-stream")
TOKEN = os.environ.get("CONTRACT_TOKEN")
CREDENTIALS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


class Follower(threading.Thread):
    """Reads a stream to its end in a thread of its own."""

    def __init__(self, url: str, path: str, pattern: str, media_type: str):
        super().__init__(daemon=True)
        self.name = f"{path} as {media_type}"
        self.media_type = media_type
        self.reference = line_schema(DOCUMENT, DOCUMENT["paths"][pattern]["get"], media_type)
        self.response = requests.get(
            f"{url}{path}", headers={"Accept": media_type, **CREDENTIALS}, stream=True, timeout=30
        )
        assert self.response.status_code == 200, f"{self.name}: {self.response.text}"
        kind = self.response.headers["Content-Type"].split(";")[0]
        assert kind == media_type, f"{self.name}: {kind}"
        self.lines: list[dict] = []
        self.error: BaseException | None = None
        self.start()

    def run(self):
        checker = LineChecker(DOCUMENT)
        try:
            for line in self.response.iter_lines(chunk_size=1, decode_unicode=True):
                value = checker.check(line, self.media_type, self.reference)
                if value is not None:
                    self.lines.append(value)
        except BaseException as error:  # Told by end(), in the main thread.
            self.error = error

    def end(self, wanted: set[str], reason: str):
        self.join(timeout=30)
        assert not self.is_alive(), f"{self.name}: has not ended"
        assert self.error is None, f"{self.name}: {self.error}"
        types = [line["type"] for line in self.lines]
        assert wanted <= set(types), f"{self.name}: {types}"
        assert types[0] == "hello" and types[-1] == "bye", f"{self.name}: {types}"
        assert self.lines[-1]["reason"] == reason, f"{self.name}: {self.lines[-1]}"


def main(url: str) -> None:
    session = requests.Session()
    session.headers.update(CREDENTIALS)

    def send(method: str, path: str, body=None) -> dict:
        answer = session.request(method, url + path, json=body, timeout=30)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json()

    send("POST", "/v1/reset")
    send("POST", "/v1/batch", WORLD)
    logs = [Follower(url, "/v1/events?follow=true&snapshot=true", "/v1/events", t) for t in TYPES]
    queues = [
        Follower(url, "/v1/veventqs/events0/events?follow=true", "/v1/veventqs/{id}/events", TYPES[0]),
        Follower(
            url, "/v1/fault-queues/faults0/faults?follow=true", "/v1/fault-queues/{id}/faults", TYPES[1]
        ),
    ]
    pins = send("GET", "/v1/veventqs/events0")["pins"]["held_by"]
    assert [pin["why"] for pin in pins] == ["open file"], pins
    event = {"record": ["0x10", "0x0", "0xdead000", "0x0"]}
    assert send("POST", "/v1/devices/gpu0/hardware-events", event)["disposition"] == "forwarded"
    assert send("POST", "/v1/devices/nic0/hardware-events", event)["disposition"] == "logged"
    send("POST", "/v1/devices/gpu0/page-requests", {"pages": [{"address": "0x3000"}]})
    send("DELETE", "/v1/veventqs/events0/file")
    send("DELETE", "/v1/ioas/guest-memory?cascade=true")
    send("DELETE", "/v1/fault-queues/faults0?cascade=true")
    send("POST", "/v1/devices/gpu0/unplug")
    queues[0].end({"vevent"}, "closed")
    queues[1].end({"faults"}, "deleted")
    send("POST", "/v1/reset")
    for log in logs:
        log.end({"snapshot", "mark", "smmu.event", "viommu.deleted", "device.unplugged"}, "reset")
        check_order(log)


def check_order(log: Follower) -> None:
    """No event is missed: each names the one before it."""
    events = [line for line in log.lines if "prev" in line]
    for before, after in zip(events, events[1:]):
        assert after["prev"] == before["seq"] == after["seq"] - 1, f"{log.name}: {after}"


if __name__ == "__main__":
    main(sys.argv[1])
