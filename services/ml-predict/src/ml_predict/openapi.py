"""What each model takes, in the OpenAPI document: written from the cards, because no code knows a model."""

from typing import Any

from fastapi import FastAPI

from ml_predict.card import Feature, ModelCard
from ml_predict.exceptions import ModelUnusable
from ml_predict.model import read_card
from ml_predict.repository import Repository
from ml_predict.rows import MAX_INSTANCES
from ml_predict.settings import MlPredictSettings

EXPLAIN = {
    "type": "boolean",
    "default": False,
    "example": False,
    "description": "Also say what each feature contributes, if the model's card has an `explanation`.",
}
PATHS = ("/predict", "/predict/{model}")


def with_card_schemas(app: FastAPI, settings: MlPredictSettings) -> FastAPI:
    """The document names each model's features when it is asked for; the cards are read then."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        made = plain()
        cards = _cards(settings)
        schemas = made["components"]["schemas"]
        schemas |= {_name(card): _instance(card) for card in cards}
        main = [card for card in cards if card.name == settings.model_name]
        for path, shown in zip(PATHS, (main, cards), strict=True):
            made["paths"][path]["post"]["requestBody"] = _body(shown)
        _name_models(made["paths"], [card.name for card in cards])
        return made

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


def _cards(settings: MlPredictSettings) -> list[ModelCard]:
    """The newest card of each model with features; one that cannot be read is left out."""
    found: dict[str, ModelCard] = {}
    for name, version in Repository(settings.model_repository).stored():
        try:
            card = read_card(settings.model_repository / name / version)
        except ModelUnusable:
            continue
        if card.features:
            found[name] = card
    return list(found.values())


def _name_models(paths: dict[str, Any], names: list[str]) -> None:
    """So that a path can be tried as the document shows it."""
    for operation in (each for operations in paths.values() for each in operations.values()):
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "model" and names:
                parameter["schema"]["examples"] = names


def _name(card: ModelCard) -> str:
    """`diamond-price` is `DiamondPriceInstance`."""
    words = card.name.replace("_", "-").replace(".", "-").split("-")
    return "".join(word.capitalize() for word in words) + "Instance"


def _instance(card: ModelCard) -> dict[str, Any]:
    return {
        "type": "object",
        "title": f"Instance of {card.name}",
        "additionalProperties": False,
        "required": [feature.name for feature in card.features],
        "properties": {feature.name: _property(feature) for feature in card.features},
    }


def _property(feature: Feature) -> dict[str, Any]:
    unit = f" ({feature.unit})" if feature.unit else ""
    described = {"title": feature.name, "description": f"{feature.description or feature.name}{unit}"}
    if feature.categories:
        return described | {"type": "string", "enum": list(feature.categories)}
    bounds = {
        "exclusiveMinimum": feature.gt,
        "minimum": feature.ge,
        "exclusiveMaximum": feature.lt,
        "maximum": feature.le,
    }
    number = {"type": "number"} | {name: bound for name, bound in bounds.items() if bound is not None}
    if feature.size == 1:
        return described | number
    return described | {"type": "array", "items": number, "minItems": feature.size, "maxItems": feature.size}


def _body(cards: list[ModelCard]) -> dict[str, Any]:
    kinds = [{"$ref": f"#/components/schemas/{_name(card)}"} for card in cards]
    rows = [{"type": "array", "minItems": 1, "maxItems": MAX_INSTANCES, "items": kind} for kind in kinds]
    instances = rows[0] if len(rows) == 1 else {"oneOf": rows}
    schema = {
        "type": "object",
        "required": ["instances"],
        "additionalProperties": False,
        "properties": {"instances": instances, "explain": EXPLAIN},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
