"""What a customer may order, read from a request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

MOST_LINES = 50
MOST_PIECES = 1000


class BadOrder(ValueError):
    """The request cannot be an order; the message says what it should look like."""


@dataclass(frozen=True, slots=True)
class Line:
    """So many pieces of one product."""

    product: int
    quantity: int

    def to_json(self) -> dict[str, int]:
        """The line as plain JSON values."""
        return asdict(self)


def read_lines(body: object) -> list[Line]:
    """The lines of `{"lines": [{"product": 1, "quantity": 2}]}`; BadOrder if it is not that."""
    lines = cast("dict[str, Any]", body).get("lines") if isinstance(body, dict) else None
    if not isinstance(lines, list) or not 0 < len(cast("list[Any]", lines)) <= MOST_LINES:
        raise BadOrder(f'expected {{"lines": [...]}} with 1 to {MOST_LINES} lines')
    read = [_line(line) for line in cast("list[Any]", lines)]
    if len({line.product for line in read}) != len(read):
        raise BadOrder("a product stands in two lines; add up its quantities")
    return read


def _line(value: object) -> Line:
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    product, quantity = fields.get("product"), fields.get("quantity")
    # type() because True is an int, too.
    if type(product) is not int or type(quantity) is not int:
        raise BadOrder('a line is {"product": 1, "quantity": 2}, both whole numbers')
    if not 0 < product < 2**31:
        raise BadOrder(f"product {product} cannot exist")
    if not 0 < quantity <= MOST_PIECES:
        raise BadOrder(f"quantity {quantity} is not between 1 and {MOST_PIECES}")
    return Line(product, quantity)
