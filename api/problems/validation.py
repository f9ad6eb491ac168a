"""What is wrong with a parameter or a member of a body, in words that do not presume to know Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT_BY_TYPE = {
    "missing": "is missing",
    "extra_forbidden": "is not known here; check its spelling",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be an integer"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "list_type": "must be an array",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be a JSON object"),
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    **dict.fromkeys(("literal_error", "enum"), "must be {expected}"),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"),
        "must be a date and time with its offset, as in 2026-01-31T12:00:00Z",
    ),
}


def describe_invalid_value(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, to follow its name.

    Args:
        error: One of pydantic's errors. Those of our own validators bring their own text.
    """
    text = _TEXT_BY_TYPE.get(error["type"])
    return text.format(**error.get("ctx", {})) if text else str(error["msg"])
