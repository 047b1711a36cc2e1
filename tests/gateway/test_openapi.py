"""The gateway answers as its OpenAPI document says (G6: 3)."""

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

EXAMPLES = 20


@pytest.mark.parametrize("policy", [None, "se-ppo"])
def test_3_schemathesis_finds_no_failure(gateway, device, bundles, policy):
    fast = {**device, "steps": [1, 2, 3], "speed": 1.0, "queue": 1000}
    named = {"bundle": str(bundles[policy])} if policy else {}
    with gateway(backend=[fast], policy=named) as service:
        described = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
        operations = [one.ok() for one in described.get_all_operations()]
        paths = {one.path for one in operations}
        assert paths >= {"/v1/images/generations", "/v1/chat/completions", "/v1/receipts/{id}"}
        tried = 0
        for operation in operations:
            modes = [GenerationMode.POSITIVE]
            modes += [GenerationMode.NEGATIVE] if operation.method == "post" else []
            for mode in modes:

                @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
                @given(case=operation.as_strategy(generation_mode=mode))
                def hold(case):
                    nonlocal tried
                    tried += 1
                    case.call_and_validate()

                hold()
        assert tried > 4 * EXAMPLES
        assert service.metric("edgewright_gateway_images_total") > 0
        assert service.metric("edgewright_gateway_refused_total", status="500") == 0
