"""The OpenAPI document: Ninja's, and the predict routes of each model as it is now, with its own predictors."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from pydantic.json_schema import models_json_schema

from lm_app.predict import columnar_out
from lm_app.predict.body import COLUMNAR, LINES, is_read
from lm_app.predictors import NUMBER, Predictor, is_single_number, names_of
from lm_app.schemas import (
    QUERY_NAMES,
    VERSION_HEADER,
    VERSION_PARAMETER,
    ColumnsResponse,
    OneResponse,
    Options,
    Problem,
    RecordsResponse,
)
from lm_app.store.live import live_models
from lm_app.store.version import LoadedModel

REF = "#/components/schemas/{model}"
PROBLEM_JSON = "application/problem+json"
DEFAULT_TAG, ABOUT_DEFAULT, MODELS, ABOUT_ANY = "predict", "default model", "models", "any model"
TEXTS = {".svg": "image/svg+xml", ".md": "text/markdown", ".txt": "text/plain", ".R": "text/plain"}
DATA_FRAME = """R's predictions for many observations.

The body is a data frame: JSON records, also one in each line, JSON columns, CSV, Parquet or Arrow; or one observation
as an object. Columns that are no predictors are ignored; `warnings` names them. What pandas' `to_json()` makes with any
`orient` that has the columns' names is taken, too, and so are the bodies of MLflow. Or the body is a form:
`application/x-www-form-urlencoded` is one observation, and `multipart/form-data` one observation or one file of any of
these formats. Options may stand in a form, too. CSV may be called `application/csv`, `application/vnd.ms-excel`,
`text/plain` or `text/tab-separated-values`, and JSON `text/plain` or anything that ends with `+json`. A body may be in
another charset that its type names, and compressed (`Content-Encoding: gzip` or `deflate`).

The response has the shape of the request, or the format that `format` or `Accept` asks for. One observation, in an
object or in a form, is answered as by GET."""

Schema = dict[str, Any]


def observation_schema(model: LoadedModel) -> Schema:
    """Make the JSON Schema of one observation."""
    return {
        "title": f"{model.name} observation",
        "description": f"An observation to predict {model.info['response']} for.",
        "type": "object",
        "properties": {predictor.name: predictor.schema() for predictor in model.predictors},
        "required": names_of(model.predictors),
        "additionalProperties": True,
        "examples": [model.info["example"]],
    }


def describe_models(document: Schema, prefix: str) -> None:
    """Complete Ninja's document in place. `prefix` is the API's path, without a slash at its end."""
    models = live_models()
    trained = [model for model in models.values() if model]
    default = models.get(settings.LM_DEFAULT_MODEL)
    any_model = f"{prefix}/models/{{model}}"
    names = _parameter("path", "model", {"type": "string", "enum": list(models)})
    for path, operations in document["paths"].items():
        is_any = path.startswith(any_model)
        for operation in operations.values():
            _complete(operation, path, names if is_any else None)
            _list_names(operation, trained if is_any or not default else [default])

    responses = (OneResponse, RecordsResponse, ColumnsResponse, Problem)
    _, schemas = models_json_schema([(schema, "serialization") for schema in responses], ref_template=REF)
    document["components"]["schemas"] |= schemas["$defs"]
    predict_paths = _predict_paths(default, prefix, DEFAULT_TAG) if default else {}
    for model in trained:
        predict_paths |= _predict_paths(model, f"{prefix}/models/{model.name}", f"{DEFAULT_TAG}: {model.name}")
        document["components"]["schemas"] |= _data_frame_schemas(model)
    document["paths"] = predict_paths | document["paths"]  # what people come for comes first
    document["tags"] = _tags(document["paths"], trained)


def _tags(paths: Schema, trained: Sequence[LoadedModel]) -> list[Schema]:
    """Describe the groups of operations, so that nobody wonders why some are there twice."""
    default = settings.LM_DEFAULT_MODEL
    described = {
        **{f"{DEFAULT_TAG}: {model.name}": model.info["title"] for model in trained},
        DEFAULT_TAG: f"By the default model, {default}",
        f"{DEFAULT_TAG}: {default}": f"The same as {DEFAULT_TAG!r}, for clients that name the model",
        ABOUT_DEFAULT: f"What is known about {default}",
        MODELS: "Which models there are",
        ABOUT_ANY: f"The same as {ABOUT_DEFAULT!r}, about a model by its name",
    }
    operations = [operation for by_method in paths.values() for operation in by_method.values()]
    tags = dict.fromkeys(tag for operation in operations for tag in operation["tags"])
    return [{"name": tag, "description": described[tag]} for tag in tags]


def _complete(operation: Schema, path: str, model_parameter: Schema | None) -> None:
    """Correct what Ninja can't know of an operation."""
    if model_parameter:
        operation["parameters"].insert(0, model_parameter)
    if not path.endswith(("/models", "/versions", "/api/lm.R")):
        operation["parameters"] += _versions()
    if kind := next((kind for suffix, kind in TEXTS.items() if path.endswith(suffix)), None):
        named = {"xml": {"name": "svg"}} if path.endswith(".svg") else {}  # else Swagger UI says that there is no name
        operation["responses"][200]["content"] = {kind: {"schema": {"type": "string", **named}}}
    for status, response in operation["responses"].items():
        if status >= 400:
            response["content"] = {PROBLEM_JSON: response["content"]["application/json"]}


def _list_names(operation: Schema, models: Sequence[LoadedModel]) -> None:
    """List the keys and the plots that there are, to choose one."""
    names = {
        "key": sorted({key for model in models for key in model.info}),
        "name": list(dict.fromkeys(plot for model in models for plot in model.plots())),
    }
    for parameter in operation["parameters"]:
        if listed := names.get(parameter["name"]):
            parameter["schema"] = {"type": "string", "enum": listed}


def _predict_paths(model: LoadedModel, mount: str, tag: str) -> Schema:
    """Make the paths by which the model can be asked for predictions."""
    has_get = not QUERY_NAMES & set(names_of(model.predictors))
    get = {"get": _predict_one(model)} if has_get else {}
    paths = {f"{mount}/predict": {**get, "post": _predict_many(model)}}
    if is_single_number(model.predictors):
        paths[f"{mount}/predict/{{value}}"] = {"get": _predict_value(model)}
    for operations in paths.values():
        for operation in operations.values():
            operation["summary"] += f": {model.info['response']} ({model.name})"
            operation["tags"] = [tag]
            if tag != DEFAULT_TAG:
                operation["operationId"] = f"{model.name}_{operation['operationId']}"
    return paths


def _predict_many(model: LoadedModel) -> Schema:
    return {
        "operationId": "predict_many",
        "summary": "Predict for a data frame",
        "description": DATA_FRAME,
        "parameters": _options(),
        "requestBody": _data_frame(model),
        "responses": _responses(
            _formats({"anyOf": [_ref(f"{shape}Response") for shape in ("Records", "Columns", "One")]}),
            *(400, 411, 413, 415, 422),
        ),
    }


def _predict_one(model: LoadedModel) -> Schema:
    example = model.info["example"]
    predictors = [_predictor("query", p.name, p, example[p.name]) for p in model.predictors]
    return {
        "operationId": "predict_one",
        "summary": "Predict for one observation",
        "description": "R's prediction at full precision, with the limits of an interval where one is requested.",
        "parameters": predictors + _options(),
        "responses": _responses(_formats(_ref("OneResponse")), 422),
    }


def _predict_value(model: LoadedModel) -> Schema:
    [predictor] = model.predictors
    value = _predictor("path", "value", predictor, model.info["example"][predictor.name])
    return {
        "operationId": "predict_value",
        "summary": "Predict from one number",
        "description": "R's prediction, rounded to 6 decimals. With options, it is answered as by name, at full "
        "precision.\n\nThe value may have a dot or a comma.",
        "parameters": [value, *_options()],
        "responses": _responses(_formats({"anyOf": [{"type": "number"}, _ref("OneResponse")]}), 422),
    }


def _options() -> list[Schema]:
    options = [
        {"name": option, "in": "query", "schema": schema, "description": schema["description"]}
        for option, schema in Options.model_json_schema()["properties"].items()
    ]
    return options + _versions()


def _versions() -> list[Schema]:
    """Describe the two ways to ask another version than the live one."""
    what = "A version that is kept, by its name or a label; the live one where it is empty."
    return [
        {"name": name, "in": where, "schema": {"type": "string"}, "description": what}
        for name, where in ((VERSION_PARAMETER, "query"), (VERSION_HEADER, "header"))
    ]


def _formats(schema: Schema) -> Schema:
    """Describe an answer in each format."""
    columnar = filter(is_read, columnar_out.TYPES.values())
    return {
        "application/json": {"schema": schema},
        "text/csv": {"schema": {"type": "string"}},
        **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in columnar},
    }


def _responses(content: Schema, *statuses: int) -> Schema:
    problems = {PROBLEM_JSON: {"schema": _ref("Problem")}}
    return {
        "200": {"description": "OK", "content": content},
        **{str(status): {"description": "Problem", "content": problems} for status in sorted((*statuses, 404, 503))},
    }


def _data_frame_schemas(model: LoadedModel) -> Schema:
    """Make the schemas of a data frame's two shapes in JSON."""
    observation = observation_schema(model)
    observation["properties"] = {predictor.name: _taken(predictor) for predictor in model.predictors}
    columns = {
        **observation,
        "title": f"{model.name} columns",
        "description": "Observations by column; all columns have one length.",
        "properties": {
            name: {"type": "array", "items": schema, "minItems": 1}
            for name, schema in observation["properties"].items()
        },
        "examples": [_example_columns(model)],
    }
    return {f"{model.name}_observation": observation, f"{model.name}_columns": columns}


def _data_frame(model: LoadedModel) -> Schema:
    """Describe the body of a POST: a data frame in each of its shapes.

    Forms are described in words: with them beside lists, a client that openapi-python-client generates does not work.
    """
    example = model.info["example"]
    shapes: list[Schema] = [{"type": "array", "items": _ref(f"{model.name}_observation"), "minItems": 1}]
    examples: Schema = {"records": {"value": [example]}}
    if model.predictors:  # columns that are all no predictors would be an observation, too
        shapes += [_ref(f"{model.name}_columns"), _ref(f"{model.name}_observation")]
        examples |= {"columns": {"value": _example_columns(model)}, "one": {"value": example}}
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": shapes},
                "examples": examples,
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": "\n".join([",".join(example), ",".join(map(str, example.values())), ""]),
            },
            LINES: {"schema": {"type": "string"}, "example": json.dumps(example)},
            **{kind: {} for kind in COLUMNAR if is_read(kind)},  # binary: without a schema, in OpenAPI 3.1
        },
    }


def _example_columns(model: LoadedModel) -> dict[str, Sequence[Any]]:
    return {name: [value] for name, value in model.info["example"].items()}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}


def _taken(predictor: Predictor) -> Schema:
    """Describe all that is taken: with extrapolation=flag, that is what is outside of the training range, too."""
    schema = predictor.schema()
    return {f"x-{name}" if name in ("minimum", "maximum") else name: value for name, value in schema.items()}


def _predictor(where: str, name: str, predictor: Predictor, example: object) -> Schema:
    """Describe a predictor in a URL, where a number may have a comma. Swagger UI shows no descriptions of schemas."""
    schema = _taken(predictor)
    more = {"description": schema["description"]} if "description" in schema else {}
    if "x-minimum" in schema:
        schema["anyOf"] = [{"type": schema.pop("type")}, {"type": "string", "pattern": f"^{NUMBER.pattern}$"}]
    return _parameter(where, name, schema, example=example, **more)


def _parameter(where: str, name: str, schema: Mapping[str, Any], **more: Any) -> Schema:
    return {"name": name, "in": where, "required": True, "schema": schema, **more}
