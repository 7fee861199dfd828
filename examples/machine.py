# SPDX-License-Identifier: Apache-2.0
"""An emulated machine for scripts, by Python's standard library: what guest_driver.py runs on; and
the commands of its SMMU."""

import json
import os
import struct
import urllib.error
import urllib.request

URL = os.environ.get("VIOMMUD_URL", "http://127.0.0.1:8137")
PAGE = 4096

PREFETCH_CONFIG, CFGI_STE, CFGI_STE_RANGE, CFGI_CD = 0x01, 0x03, 0x04, 0x05
TLBI_NH_ASID, TLBI_NH_VA, TLBI_EL2_ALL, TLBI_NSNH_ALL = 0x11, 0x12, 0x20, 0x30
ATC_INV, SYNC = 0x40, 0x46
LEAF = 1  # the entry alone, not the tables above it
ONE_PAGE = 1 << 10 | 3 << 8 | LEAF  # a range (TG 1: 4 KiB; NUM and SCALE 0) of level 3 (TTL)
ALL_PAGES = 52  # the size of an ATC_INV, as a power of two of pages
IOVA = 0x7F00_1234_5000  # the address that the device is given to use


def command(opcode, stream=0, asid=0, dw1=0):
    return opcode | stream << 32 | asid << 48, dw1


def ok(claim, holds, shown=""):
    """Prints a step that went as it should; ends the example with one that did not."""
    if not holds:
        raise SystemExit(f"not so: {claim} {shown}")
    print(f"  {claim}" + (f": {shown}" if shown else ""))


class Refused(Exception):
    """Its argument is a problem (RFC 9457)."""


class Machine:
    """A host of the server with one SMMU and one device behind it, for as long as the `with` block
    lasts; `smmu` has what is to be said of the SMMU, `device` of the device."""

    def __init__(self, stream_id, device=(), **smmu):
        self.settings = {
            "smmus": [{"id": "smmu0", **smmu}],
            "devices": [{"id": "nic0", "smmu": "smmu0", "stream_id": stream_id, **dict(device)}],
            "record_stale_translations": True,
        }

    def __enter__(self):
        self.path = ""
        self.path = self.send("POST", "/v1/hosts", **self.settings)["self"]
        return self

    def __exit__(self, *_):
        self.send("DELETE", "")

    def raw(self, method, path, body=None, kind="application/json"):
        """Sends bytes and returns bytes; raises Refused."""
        request = urllib.request.Request(URL + path, body, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)) from None

    def send(self, method, path, **body):
        """Sends and returns JSON, of what is under the host's path."""
        data = json.dumps(body).encode() if method in ("POST", "PUT") else None
        return json.loads(self.raw(method, self.path + path, data))

    def log(self, kind):
        """What the host's log has of one type of event."""
        lines = self.raw("GET", f"{self.path}/events?type={kind}").splitlines()
        return [event["data"] for event in map(json.loads, lines) if "prev" in event]

    def dma(self, iova, data=None):
        """Has the device write bytes, or read 8, through the SMMU."""
        what = {"access": "write", "data": data.hex()} if data else {"access": "read", "length": 8}
        return self.send("POST", "/devices/nic0/dma", iova=hex(iova), **what)


class Memory:
    """Memory as software sees it, from `base` on: a mapping of an address space."""

    def __init__(self, machine, base, size, **mapping):
        self.machine, self.free = machine, base
        machine.send("PUT", "/ioas/ram")
        machine.send("POST", "/ioas/ram/map", iova=hex(base), length=hex(size), **mapping)
        self.path = f"{machine.path}/ioas/ram/memory?iova="

    def allocate(self, size, alignment=PAGE):
        """Memory that is zero, aligned as tables must be."""
        start = -(-self.free // alignment) * alignment
        self.free = start + size
        return start

    def read(self, address, count):
        return self.machine.raw("GET", f"{self.path}{address:#x}&length={count}")

    def write(self, address, data):
        self.machine.raw("PUT", self.path + hex(address), data, "application/octet-stream")

    def words(self, address, count=1):
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def write_words(self, address, *words):
        self.write(address, struct.pack(f"<{len(words)}Q", *words))
