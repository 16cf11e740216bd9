"""The OpenAPI document as the service really answers: errors are problem documents."""

from typing import Any

from fastapi import FastAPI

from shared.problems import MEDIA_TYPE

PROBLEM = {"$ref": "#/components/schemas/Problem"}


class DocumentedApp(FastAPI):
    """FastAPI documents every answer as `application/json`; problems have a media type of their own."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        for item in document["paths"].values():
            for operation in item.values():
                for response in operation["responses"].values():
                    _name_problems(response)
        return document


def _name_problems(response: dict[str, Any]) -> None:
    content = response.get("content", {})
    if content.get("application/json", {}).get("schema") == PROBLEM:
        content[MEDIA_TYPE] = content.pop("application/json")
