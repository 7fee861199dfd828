# SPDX-License-Identifier: Apache-2.0
"""What /metrics shows is read by Prometheus's own parser, and counts what was asked for.

    metrics.py URL
"""

import json
import os
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

URL = sys.argv[1]
TOKEN = os.environ.get("CONTRACT_TOKEN")
CREDENTIALS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def fetch(path, body=None, method="GET"):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        URL + path, data=data, method=method, headers={"Content-Type": "application/json", **CREDENTIALS})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def families():
    return {family.name: family for family in text_string_to_metric_families(fetch("/metrics"))}


def count(name, **labels):
    for sample in families()[name].samples:
        if sample.name.endswith("_count") and sample.labels == labels:
            return sample.value
    sys.exit(f"metrics.py: {name} has no count for {labels}")


def check_histogram(family):
    """Buckets only grow, and the last of them is the count."""
    series = {}
    for sample in family.samples:
        labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        series.setdefault(labels, []).append(sample)
    for labels, samples in series.items():
        buckets = [s for s in samples if s.name.endswith("_bucket")]
        bounds = [float(s.labels["le"]) for s in buckets]
        values = [s.value for s in buckets]
        total = [s.value for s in samples if s.name.endswith("_count")]
        if bounds != sorted(bounds) or values != sorted(values) or [values[-1]] != total:
            sys.exit(f"metrics.py: {family.name}{dict(labels)} is no histogram")


def main():
    shown = families()
    for family in shown.values():
        if not family.documentation.strip():
            sys.exit(f"metrics.py: {family.name} has no help")
        if family.type == "histogram":
            check_histogram(family)
    reads = count("viommud_operation_seconds", **{"class": "read"})
    changes = count("viommud_operation_seconds", **{"class": "change"})
    fetch("/v1/contexts/metrics-test", {}, "PUT")
    fetch("/v1/contexts/metrics-test")
    fetch("/v1/contexts/metrics-test", method="DELETE")
    if count("viommud_operation_seconds", **{"class": "read"}) < reads + 1:
        sys.exit("metrics.py: a read was not counted")
    if count("viommud_operation_seconds", **{"class": "change"}) < changes + 2:
        sys.exit("metrics.py: changes were not counted")
    print(f"{len(shown)} metrics")


main()
