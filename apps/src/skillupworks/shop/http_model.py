"""The base of what services take and answer over HTTP."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["HttpModel"]


class HttpModel(BaseModel):
    """Fields are camelCase in JSON, nothing is converted, and what is not known is ignored."""

    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )
