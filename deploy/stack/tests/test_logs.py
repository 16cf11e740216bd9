"""Following one request through the logs."""

import json

from stack.logs import events, line_of, of_request


def event(second: int, service: str, request_id: str, **more: object) -> str:
    return json.dumps(
        {
            "event": "request",
            "level": "info",
            "timestamp": f"2026-11-24T02:00:0{second}.000000Z",
            "service": service,
            "request_id": request_id,
            "trace_id": f"trace-{request_id}",
            **more,
        }
    )


def test_a_requests_events_come_in_order_from_all_services_and_no_others() -> None:
    lines = [event(3, "gateway", "a"), event(1, "items", "a"), event(2, "items", "b"), event(2, "users", "a")]
    assert [found["service"] for found in of_request(events(lines), "a")] == ["items", "users", "gateway"]
    assert len(of_request(events(lines), "trace-b")) == 1


def test_what_is_no_event_is_passed_over() -> None:
    lines = ["", "LOG:  database system is ready", "{half", '{"a": 1}', "[1]", event(1, "items", "a")]
    assert len(list(events(lines))) == 1


def test_the_prefix_of_compose_is_passed_over() -> None:
    assert len(list(events(["items-1  | " + event(1, "items", "a")]))) == 1


def test_a_line_has_the_time_the_service_and_what_else_the_event_says() -> None:
    (found,) = events([event(1, "items", "a", status=201, path="/items", error="not that")])
    line = line_of(found)
    assert line.split()[:4] == ["02:00:01.000000", "items", "info", "request"]
    assert line.endswith('status=201 path=/items error="not that"')
