"""The study's page and its figure."""

from typing import Any

__all__ = ["draw", "page"]


def draw(results: dict[str, Any]) -> str:
    return ""


def page(results: dict[str, Any]) -> str:
    return ""
