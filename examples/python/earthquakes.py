"""A week of earthquakes, as plain Python knows it: nothing in here is about Elixir."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import lru_cache

EARTH_RADIUS_KM = 6371.0


class CatalogueError(Exception):
    """The file is not a catalogue of earthquakes."""


@dataclass(frozen=True)
class Quake:
    place: str
    magnitude: float
    time: datetime
    depth_km: float
    latitude: float
    longitude: float
    network: str


@lru_cache(maxsize=1)
def load(path: str) -> tuple[Quake, ...]:
    """Reads the file once in each interpreter, however often it is asked for."""
    with open(path, encoding="utf-8") as file:
        return parse(file.read())


def parse(text: str) -> tuple[Quake, ...]:
    try:
        features = json.loads(text)["features"]
    except ValueError as error:
        raise CatalogueError(f"no catalogue in these {len(text):,} characters") from error
    return tuple(to_quake(feature["properties"], feature["geometry"]) for feature in features)


def to_quake(properties: dict, geometry: dict) -> Quake:
    longitude, latitude, depth_km = geometry["coordinates"]
    return Quake(
        place=properties["place"],
        magnitude=properties["mag"],
        time=datetime.fromtimestamp(properties["time"] / 1000, timezone.utc),
        depth_km=depth_km,
        latitude=latitude,
        longitude=longitude,
        network=properties["net"],
    )


def overview(path: str) -> dict:
    quakes = load(path)
    return {
        "count": len(quakes),
        "networks": [name for name, _count in Counter(q.network for q in quakes).most_common()],
        "days": sorted({q.time.date() for q in quakes}),
    }


def summary(path: str, network: str, day: date) -> dict:
    """What one network saw on one day."""
    quakes = [q for q in load(path) if q.network == network and q.time.date() == day]
    return {"count": len(quakes), "strongest": max(quakes, key=lambda q: q.magnitude, default=None)}


def loneliest(path: str, magnitude: float, first: int, step: int) -> tuple[float, str]:
    """Of every step-th quake at least that strong, the one farthest from its nearest neighbour.

    Compares each with all others, in pure Python: a stand-in for any work that only computes.
    """
    quakes = [q for q in load(path) if q.magnitude >= magnitude]
    points = [(math.radians(q.latitude), math.radians(q.longitude)) for q in quakes]
    nearest = [
        (min(distance_km(point, other) for other in points if other is not point), quake.place)
        for point, quake in list(zip(points, quakes))[first::step]
    ]
    return max(nearest)


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Along a great circle, by the haversine formula; latitude and longitude in radians."""
    latitude = math.sin((b[0] - a[0]) / 2) ** 2
    longitude = math.sin((b[1] - a[1]) / 2) ** 2
    chord = math.sqrt(latitude + math.cos(a[0]) * math.cos(b[0]) * longitude)
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, chord))
