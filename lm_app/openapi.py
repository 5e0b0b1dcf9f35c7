"""The OpenAPI document, as the models are now: each one's predict operations show its own predictors."""

import copy
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from pydantic.json_schema import models_json_schema

from lm_app import store
from lm_app.schemas import ColumnsAnswer, Options, RecordsAnswer

REF = "#/components/schemas/{model}"
PROBLEM_JSON = "application/problem+json"
VALUE = {"numeric": {"type": "number"}, "logical": {"type": "boolean"}, "factor": {"type": "string"}}


def observation_schema(info: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The JSON Schema of one observation of the model of this name."""
    return {
        "title": f"{name} observation",
        "description": f"An observation to predict {info['response']} for.",
        "type": "object",
        "properties": {p["name"]: predictor_schema(p) for p in info["predictors"]},
        "required": [p["name"] for p in info["predictors"]],
        "additionalProperties": False,
        "examples": [info["example"]],
    }


def predictor_schema(predictor: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of one predictor's value, with its training range or its levels."""
    schema: dict[str, Any] = dict(VALUE[predictor["type"]])
    told = []
    if predictor["type"] == "numeric":
        schema |= {"minimum": predictor["min"], "maximum": predictor["max"]}
        told.append(f"trained on {predictor['min']} to {predictor['max']}")
    if predictor["type"] == "factor":
        schema["enum"] = predictor["levels"]
    if predictor["unit"]:
        schema["x-unit"] = predictor["unit"]
        told.insert(0, f"in {predictor['unit']}")
    if told:
        schema["description"] = f"{predictor['name']}, {', '.join(told)}"
    return schema


def describe_models(document: dict[str, Any], prefix: str) -> None:
    """Complete Ninja's document in place. `prefix` is the API's path, without a slash at its end."""
    models = store.all_live()
    schemas = document["components"]["schemas"]
    _, answers = models_json_schema(
        [(answer, "serialization") for answer in (RecordsAnswer, ColumnsAnswer)], ref_template=REF
    )
    schemas |= answers["$defs"]
    any_model = f"{prefix}/models/{{model}}"
    paths = document["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            operation["operationId"] = operation["operationId"].partition(" ")[0]
            if path.startswith(any_model):
                operation["operationId"] += "_of_model"
                operation["parameters"].insert(0, _parameter("path", "model", {"type": "string", "enum": list(models)}))
            if path.endswith(".svg"):
                operation["responses"][200]["content"] = {"image/svg+xml": {"schema": {"type": "string"}}}
            for status, answer in operation["responses"].items():
                if status >= 400:
                    answer["content"] = {PROBLEM_JSON: answer["content"]["application/json"]}

    for suffix in ("/predict", "/predict/{value}"):
        templates = {any_model: paths.pop(any_model + suffix), prefix: paths.pop(prefix + suffix)}
        for name, model in models.items():
            if model is None:
                continue
            mounts = [(any_model, f"{prefix}/models/{name}", f"{name}_")]
            if name == settings.LM_DEFAULT_MODEL:
                mounts.append((prefix, prefix, ""))
            for template, mount, mark in mounts:
                operations = copy.deepcopy(templates[template])
                _describe_predict(operations, model.info, name, mark, schemas)
                if operations:
                    paths[mount + suffix] = operations
    tags = {tag for operations in paths.values() for operation in operations.values() for tag in operation["tags"]}
    document["tags"] = [{"name": tag} for tag in sorted(tags)]


def _describe_predict(
    operations: dict[str, Any], info: Mapping[str, Any], name: str, mark: str, schemas: dict[str, Any]
) -> None:
    """Give a path's predict operations this model's predictors; remove those by which it can't be asked."""
    predictors = info["predictors"]
    example = info["example"]
    options = [
        {"name": option, "in": "query", "schema": schema, "description": schema["description"]}
        for option, schema in Options.model_json_schema()["properties"].items()
    ]
    for method, operation in list(operations.items()):
        operation["summary"] += f": {info['response']} ({name})"
        operation["tags"] = [f"predict: {name}" if mark else "predict"]
        kind = operation["operationId"].split("_")[1]
        operation["operationId"] = f"{mark}predict_{kind}"
        if kind == "value":
            if len(predictors) != 1 or predictors[0]["type"] != "numeric":
                del operations[method]
                continue
            schema = predictor_schema(predictors[0])
            operation["parameters"] = [_parameter("path", "value", schema, example=example[predictors[0]["name"]])]
        elif kind == "one":
            if {p["name"] for p in predictors} & Options.model_fields.keys():
                del operations[method]
                continue
            operation["parameters"] = [
                _parameter("query", p["name"], predictor_schema(p), example=example[p["name"]]) for p in predictors
            ] + options
        else:
            operation["parameters"] = options
            operation["requestBody"] = _data_frame(info, name, schemas)
            operation["responses"][200]["content"] = {
                "application/json": {"schema": {"anyOf": [_ref("RecordsAnswer"), _ref("ColumnsAnswer")]}},
                "text/csv": {"schema": {"type": "string"}},
            }


def _data_frame(info: Mapping[str, Any], name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """The body of a POST: a data frame of this model's predictors in each of its shapes."""
    record, columns = f"{name}_observation", f"{name}_columns"
    observation = observation_schema(info, name)
    schemas[record] = observation
    schemas[columns] = {
        **observation,
        "title": f"{name} columns",
        "description": "Observations by column; all columns have one length.",
        "properties": {
            column: {"type": "array", "items": schema, "minItems": 1}
            for column, schema in observation["properties"].items()
        },
        "examples": [{column: [value] for column, value in info["example"].items()}],
    }
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [{"type": "array", "items": _ref(record), "minItems": 1}, _ref(columns)]},
                "examples": {
                    "records": {"value": [info["example"]]},
                    "columns": {"value": {column: [value] for column, value in info["example"].items()}},
                },
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": "\n".join([",".join(info["example"]), ",".join(map(str, info["example"].values())), ""]),
            },
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}


def _parameter(where: str, name: str, schema: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "required": True, "schema": schema, **more}
