#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A machine of its own for each test.

A host shares nothing with other hosts, so tests may use the same names, run at the same time,
and leave things behind: the host is thrown away whole. Copy the fixture `machine` into your
conftest.py; this file is a test as well:

    VIOMMUD_URL=http://127.0.0.1:8137 python3 examples/isolated_hosts.py
"""

import concurrent.futures
import json
import os
import sys

import pytest
import requests

URL = os.environ.get("VIOMMUD_URL", "http://127.0.0.1:8137")


class Refused(Exception):
    """A problem (RFC 9457) as an exception: `.code`, `.errno`, and all else in `.problem`."""

    def __init__(self, problem):
        super().__init__(f"{problem['status']} {problem['code']}: {problem['detail']}")
        self.code = problem["code"]
        self.errno = problem.get("errno")
        self.problem = problem


class Machine:
    """An emulated machine: a host of the server, for as long as the `with` block lasts."""

    paths = []  # of all that were made, to check that they are gone

    def __init__(self, url=URL, **settings):
        self.url = url
        self.settings = settings
        self.session = requests.Session()
        self.path = None

    def __enter__(self):
        # Without an ID the server makes one up, which no other test has.
        self.path = self.send("POST", self.url + "/v1/hosts", self.settings)["self"]
        Machine.paths.append(self.path)
        return self

    def __exit__(self, *_):
        self.send("DELETE", self.url + self.path)
        self.session.close()

    def send(self, method, url, body=None, **query):
        answer = self.session.request(method, url, json=body, params=query, timeout=10)
        if answer.status_code == 204:
            return None
        if not answer.ok:
            raise Refused(answer.json())
        return answer.json()

    def get(self, path, **query):
        return self.send("GET", self.url + self.path + path, **query)

    def put(self, path, **body):
        return self.send("PUT", self.url + self.path + path, body)

    def post(self, path, body=None, **query):
        return self.send("POST", self.url + self.path + path, body, **query)

    def delete(self, path, **query):
        return self.send("DELETE", self.url + self.path + path, **query)

    def events(self, **query):
        """The event log so far, without the lines that are not events."""
        answer = self.session.get(self.url + self.path + "/events", params=query, timeout=10)
        answer.raise_for_status()
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return [line for line in lines if "prev" in line]


def guest(machine, virt_id):
    """The stack of one VM with one device, under names that every test uses."""
    machine.put("/devices/gpu0", smmu="smmu0", stream_id=16)
    machine.put("/ioas/ram")
    machine.put("/domains/s2", type="paging", device="gpu0", ioas="ram", nest_parent=True)
    machine.put("/viommus/v0", type="arm-smmuv3", device="gpu0", domain="s2")
    machine.put("/vdevs/vd0", viommu="v0", device="gpu0", virt_id=virt_id)
    machine.put("/veventqs/eq0", viommu="v0", type="arm-smmuv3", depth=16)
    machine.put("/domains/n0", type="nested", device="gpu0", viommu="v0", ste=["0xb", "0x0"])
    machine.put("/devices/gpu0/attachment", domain="n0")


def fault(machine):
    """Raises a translation fault; returns the stream ID under which the guest hears of it."""
    machine.post("/devices/gpu0/hardware-events", {"record": ["0x10", "0x0", "0x80001000", "0x0"]})
    (event,) = machine.get("/veventqs/eq0/events")["items"]
    return int(event["data"][0], 16) >> 32


# --- the fixture --------------------------------------------------------------------------------


@pytest.fixture
def machine(request):
    """A fresh machine; a test that wants another one says how it is made, as below."""
    with Machine(**getattr(request, "param", {})) as machine:
        yield machine


@pytest.fixture(scope="session", autouse=True)
def no_host_is_left_behind():
    yield
    assert Machine.paths
    for path in Machine.paths:
        assert requests.get(URL + path, timeout=10).status_code == 404


# --- two tests that use the same names ----------------------------------------------------------


def test_the_guest_hears_of_its_fault(machine):
    guest(machine, virt_id="0x1f00")
    assert fault(machine) == 0x1F00


def test_an_attached_device_pins_its_vdev(machine):
    guest(machine, virt_id="0x2000")
    with pytest.raises(Refused) as refused:
        machine.delete("/vdevs/vd0")
    assert (refused.value.code, refused.value.errno) == ("pinned", "EBUSY")
    plan = refused.value.problem["plan"]
    receipt = machine.delete("/vdevs/vd0", cascade="true", plan=plan["digest"])
    assert receipt["deleted"] == [{"kind": "vdev", "id": "vd0"}]
    assert machine.get("/devices/gpu0")["attachment"] is None


@pytest.mark.parametrize("machine", [{"pin_policy": "linux"}], indirect=True)
def test_the_kernel_lets_the_vdev_go(machine):
    guest(machine, virt_id="0x1f00")
    machine.delete("/vdevs/vd0")
    assert machine.get("/devices/gpu0")["attachment"] == {"domain": "n0"}


# --- the same scenario on many hosts at once ----------------------------------------------------


def test_machines_run_side_by_side():
    def scenario(number):
        with Machine() as machine:
            guest(machine, virt_id=hex(0x1000 + number))
            heard = fault(machine)
            # A host's log is the same in every run, but for the time.
            return heard - number, [(e["seq"], e["type"], e["object"]) for e in machine.events()]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(scenario, range(32)))
    assert all(result == (0x1000, results[0][1]) for result in results)


if __name__ == "__main__":
    sys.exit(pytest.main(["-v", "-p", "no:cacheprovider", __file__]))
