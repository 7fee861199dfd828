# SPDX-License-Identifier: Apache-2.0
"""What the checks in Python need of the OpenAPI document."""

import functools
import json

import jsonschema_rs


def resolved(document: dict, value: dict) -> dict:
    """What a reference stands for."""
    while "$ref" in value:
        target = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def line_schema(document: dict, operation: dict, media_type: str) -> str:
    """The schema of the lines of a stream, as a reference."""
    answer = resolved(document, operation["responses"]["200"])
    return answer["content"][media_type]["x-line-schema"]["$ref"]


class LineChecker:
    """Checks the lines of streams, NDJSON or Server-Sent Events."""

    def __init__(self, document: dict):
        self.document = document

    @functools.lru_cache
    def validator(self, reference: str):
        return jsonschema_rs.Draft202012Validator(
            {"allOf": [{"$ref": reference}], "components": self.document["components"]}
        )

    def check(self, line: str, media_type: str, reference: str) -> dict | None:
        """The JSON of a line, or None for what frames it; raises AssertionError."""
        if media_type == "text/event-stream":
            if not line.startswith("data: "):
                assert not line or line.startswith(("id: ", "event: ")), line
                return None
            line = line.removeprefix("data: ")
        value = json.loads(line)
        for error in self.validator(reference).iter_errors(value):
            raise AssertionError(f"{line}: {error.message}")
        return value
