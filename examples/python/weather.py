"""Four years of weather in two cities, read with the standard library's csv module."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date


def year(path: str, city: str, year: int) -> dict:
    """One city's year in a few figures."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["location"] == city]
    rows = [row for row in rows if date.fromisoformat(row["date"]).year == year]
    hottest = max(rows, key=lambda row: float(row["temp_max"]))
    return {
        "city": city,
        "year": year,
        "mean_max": sum(float(row["temp_max"]) for row in rows) / len(rows),
        "precipitation_mm": sum(float(row["precipitation"]) for row in rows),
        "hottest": (date.fromisoformat(hottest["date"]), float(hottest["temp_max"])),
        "days": Counter(row["weather"] for row in rows),
    }
