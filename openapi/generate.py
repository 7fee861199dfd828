#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes openapi.json from openapi.yaml. With --check it only says whether they are the same."""

import json
import pathlib
import sys

import yaml

FOLDER = pathlib.Path(__file__).parent


class Loader(yaml.SafeLoader):
    """Knows JSON's types only: what looks like a date is text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def generated() -> str:
    document = yaml.load((FOLDER / "openapi.yaml").read_text(encoding="utf-8"), Loader)
    # One member a line, so that a change of the document is as small a change here.
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def main() -> int:
    target = FOLDER / "openapi.json"
    text = generated()
    if sys.argv[1:] == ["--check"]:
        if target.read_text(encoding="utf-8") == text:
            return 0
        print("openapi.json is not what generate.py makes of openapi.yaml", file=sys.stderr)
        return 1
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
