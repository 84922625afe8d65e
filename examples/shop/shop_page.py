"""The shop's only page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Any

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Shop</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
  td:last-child, th:last-child { text-align: right }
  table { width: 100%; border-collapse: collapse }
  td, th { padding: .4rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, #0000) }
  th { text-align: left }
</style>
<h1>Shop</h1>
<table>
<thead><tr><th>Product<th>Price</thead>
<tbody>
$rows
</tbody>
</table>
""")


def page(products: Sequence[dict[str, Any]]) -> str:
    """The page as HTML."""
    return _PAGE.substitute(rows="\n".join(_row(product) for product in products))


def _row(product: dict[str, Any]) -> str:
    price = product["price_cents"] / 100
    return f"<tr><td>{escape(product['name'])}<td>{price:.2f}</tr>"
