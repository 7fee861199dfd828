# SPDX-License-Identifier: Apache-2.0
"""What schemathesis must know of the server: a furnished world, and what the document says more."""

import hashlib
import json
import os
import pathlib
from urllib.parse import urlsplit, urlunsplit

import requests
import schemathesis

from document import LineChecker, line_schema

FOLDER = pathlib.Path(__file__).parent
WORLD = json.loads((FOLDER / "world.json").read_text(encoding="utf-8"))

# IDs that the world has, by the collection in a path and by the field of a body.
IDS = {
    "smmus": ["smmu0", "mock0", "bare0"],
    "contexts": ["default"],
    "devices": ["gpu0", "nic0", "dut0", "raw0"],
    "ioas": ["guest-memory", "host-memory", "mock-memory"],
    "domains": ["stage2", "nested0", "stage1", "parent0", "inner0", "inner1"],
    "viommus": ["v0", "v1", "w0"],
    "vdevs": ["vd0", "vdut0"],
    "hw-queues": ["vcmdq0", "vcmdq0", "wqueue0"],
    "veventqs": ["events0", "errors0", "signals0"],
    "fault-queues": ["faults0"],
    "accesses": ["access0"],
    "pins": [0],
    "mmaps": [1],
    "hosts": ["default"],
}
REFERENCES = {
    "smmu": ["smmu0", "mock0", "bare0"],
    "context": ["default"],
    "device": ["gpu0", "nic0", "dut0", "raw0"],
    "ioas": ["guest-memory", "host-memory", "mock-memory"],
    "domain": ["stage2", "stage1", "nested0", "parent0"],
    "viommu": ["v0", "v1", "w0"],
    "fault_queue": ["faults0"],
}
# Registers and addresses that there are, by operation and parameter.
OFFSETS = {
    "readRegister": ["0x0", "0x20", "0x80", "0x100a8", "0x200004", "0x201100", "0x230000"],
    "writeRegister": ["0x20", "0x2c", "0x80", "0x98", "0x200000", "0x200200", "0x230008"],
    "readWindow": ["0x0", "0x4", "0xc", "0x10", "0x84"],
    "writeWindow": ["0x4", "0x8", "0x14", "0x84"],
}
ADDRESSES = {"readMemory": ["0x100000", "0x101ff0"], "writeMemory": ["0x100000", "0x200000"]}
STREAMS = {"getEvents", "readVEvents", "readFaults"}

TOKEN = os.environ.get("CONTRACT_TOKEN")

session = requests.Session()
if TOKEN:
    session.headers["Authorization"] = f"Bearer {TOKEN}"
calls = 0


def operation_id(case) -> str:
    return case.operation.definition.raw["operationId"]


def is_positive(case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def choose(case, salt: str, choices: list):
    """One of the choices or None, the same for the same case whenever it runs."""
    text = f"{salt} {case.operation.label} {case.path_parameters} {case.query} {case.body!r}"
    number = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0]
    # One in eight stays as it is: what is not there must be found not to be there.
    return None if number < 32 else choices[number % len(choices)]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Leaves out the default responses: an operation answers what is listed for it, no more. And
    where there is a token, it leaves out that a server may want none, so that every operation is
    found to want one."""
    if TOKEN:
        for place in [raw_schema, *operations(raw_schema)]:
            if {} in place.get("security", []):
                place["security"].remove({})
    for operation in operations(raw_schema):
        operation["responses"].pop("default", None)


def operations(raw_schema) -> list[dict]:
    paths = raw_schema["paths"].values()
    return [each for path in paths for each in path.values() if isinstance(each, dict)]


@schemathesis.hook
def before_call(context, case, kwargs):
    # A stream without an end is no test case; streams.py reads such streams.
    if operation_id(case) in STREAMS and isinstance(case.query, dict):
        if str(case.query.get("follow")).lower() == "true":
            case.query["follow"] = "false"
    spell_integers(case)
    if case.meta is None:
        return
    if case.meta.phase.name.value == "stateful":
        # What is deleted for a try is there still, and the check for what is gone knows no tries.
        if case.method == "DELETE" and isinstance(case.query, dict):
            case.query.pop("dry_run", None)
        return
    furnish(base_url(case, kwargs))
    if is_positive(case):
        aim(case)


def spell_integers(case) -> None:
    """To JSON Schema 2.0 is an integer, and in a URL nobody would write one that way."""
    for values in (case.query, case.path_parameters):
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, float) and value.is_integer():
                values[name] = int(value)


def base_url(case, kwargs) -> str:
    url = kwargs.get("base_url") or case.operation.base_url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def furnish(url: str) -> None:
    """Makes the host as each test case finds it."""
    global calls
    session.post(f"{url}/v1/reset").raise_for_status()
    session.post(f"{url}/v1/batch", json=WORLD).raise_for_status()
    calls += 1
    if calls % 20 == 1:
        for host in session.get(f"{url}/v1/hosts?limit=1000").json()["items"]:
            if host["id"] != "default":
                session.delete(f"{url}/v1/hosts/{host['id']}")


def aim(case) -> None:
    """Has most of the valid requests meet objects that exist."""
    segments = case.operation.path.split("/")
    parameters = case.path_parameters or {}
    for name in ("id", "host", "number"):
        if name in parameters:
            collection = segments[segments.index("{" + name + "}") - 1]
            wanted = choose(case, name, IDS[collection])
            if wanted is not None and case.method != "PUT":
                parameters[name] = wanted
    offset = choose(case, "offset", OFFSETS.get(operation_id(case), [None]))
    if offset is not None:
        parameters["offset"] = offset
    address = choose(case, "iova", ADDRESSES.get(operation_id(case), [None]))
    if address is not None and isinstance(case.query, dict):
        case.query["iova"] = address
    # Commands have 16 bytes each.
    if operation_id(case) == "submitCommands" and case.media_type == "application/octet-stream":
        data = getattr(case.body, "data", case.body)
        if isinstance(data, bytes):
            case.body = data[: len(data) // 16 * 16] or bytes(16)
    if isinstance(case.body, dict):
        for name, value in case.body.items():
            if name in REFERENCES and isinstance(value, str):
                case.body[name] = choose(case, name, REFERENCES[name]) or value
    # A random precondition hardly ever holds, and nothing behind it would be tested.
    if case.headers and choose(case, "headers", [True]):
        for name in ("If-Match", "Idempotency-Key"):
            case.headers.pop(name, None)


# Bodies that are not JSON.


@schemathesis.deserializer("application/octet-stream")
def octets(context, response):
    return response.content


@schemathesis.deserializer("application/x-ndjson")
def ndjson(context, response):
    return response.content.decode("utf-8")


@schemathesis.deserializer("text/vnd.graphviz")
def graphviz(context, response):
    return response.content.decode("utf-8")


# Checks that know more of the contract than schemathesis does.

line_checker = None


@schemathesis.check
def lines_conform(ctx, response, case):
    """Each line of a stream is as `x-line-schema` says."""
    global line_checker
    kind = response.headers.get("content-type", [""])[0]
    if kind not in ("application/x-ndjson", "text/event-stream"):
        return None
    raw = case.operation.schema.raw_schema
    reference = line_schema(raw, case.operation.definition.raw, kind)
    line_checker = line_checker or LineChecker(raw)
    for line in response.content.decode("utf-8").splitlines():
        line_checker.check(line, kind, reference)
    return None


@schemathesis.check
def problems_are_consistent(ctx, response, case):
    """A problem repeats the status it is sent with and has the type of its code."""
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        assert response.status_code < 400, "an error without a problem"
        return None
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == "urn:viommud:problem:" + problem["code"]
    codes = case.operation.schema.raw_schema["components"]["schemas"]["ProblemCode"]["x-codes"]
    assert codes[problem["code"]]["status"] == problem["status"]
    assert codes[problem["code"]]["title"] == problem["title"]
    return None


# What a schema cannot say: parameters that exclude each other, names that come twice, offsets and
# values that another parameter's value limits, which command has which field of how many bits,
# lengths that belong together, and 32 bits in decimal digits.
BEYOND_SCHEMAS = (
    "aligned to the width",
    "behind the end of the mapping",
    "has more than 32 bits; ask for ?width=64",
    "the command has no such field",
    "the value does not fit into the field",
    "is not that of data",
    "must have room for an access, and not wrap around",
    "or a type's number",
    "does not go with",
    "goes with cascade=true",
    "reads all there is",
    "is answered twice",
    "the body is commands of 16 bytes",
    "is not the identifier in the path",
    "the key was used for a different request",
)


@schemathesis.check
def valid_fields_are_not_blamed(ctx, response, case):
    """A request that fits the schema is not refused for the form of a field."""
    if not is_positive(case) or response.status_code != 422:
        return None
    problem = response.json()
    if problem["code"] not in ("invalid_field", "unknown_field"):
        return None
    # The operations of a batch are free text to its schema.
    if operation_id(case) == "runBatch" and "operation" in problem:
        return None
    for fault in problem.get("errors", []):
        if not any(text in fault["detail"] for text in BEYOND_SCHEMAS):
            raise AssertionError(f"{fault['pointer']}: {fault['detail']}")
    return None
