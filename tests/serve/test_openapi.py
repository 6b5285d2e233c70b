"""The whole OpenAPI, tried by schemathesis: no error of the service, no answer that is not described."""

import json

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
)

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 8, GenerationMode.NEGATIVE: 3}
"""Requests per operation; those that break the description take long to find."""
NAMES = {"model": ["photos", "programs", "sshd", "drawings", "drawings.encoder"], "run": ["run"], "finding": [""]}
"""Values of parts of paths that lead somewhere; others are tried too."""


@pytest.fixture(scope="module")
def schema(service):
    document = service.get("/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in NAMES:
                    parameter["schema"] = (
                        {"enum": [*NAMES[parameter["name"]], "none"]}
                        if NAMES[parameter["name"]] != [""]
                        else parameter["schema"]
                    )
                if parameter["name"] == "most" and "events" in operation["operationId"]:
                    parameter["required"], parameter["schema"] = True, {"const": 0}  # the stream would not end
    return schemathesis.openapi.from_dict(document)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_fails_the_service(service, schema, mode):
    """Requests as described, and requests that break the description somewhere."""
    tried = 0
    for operation in (result.ok() for result in schema.get_all_operations()):

        @settings(max_examples=EXAMPLES[mode], deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            answer = case.call(base_url=service.url, timeout=30)
            case.validate_response(answer, checks=CHECKS)

        try:
            check()
            tried += 1
        except Unsatisfiable:  # nothing can be wrong about a request without parameters
            assert mode is GenerationMode.NEGATIVE
    assert tried > (25 if mode is GenerationMode.POSITIVE else 10)


def test_the_description_names_every_route_and_gives_examples(service):
    document = service.get("/openapi.json").json()
    assert {"/v2/models/{model}/infer", "/api/models/{model}/classify", "/api/findings/events"} <= set(
        document["paths"]
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert "default" in operation["responses"], (method, path)
    assert json.dumps(document).count('"example') > 10
