"""Positions: read with checks, projected, drawn, and who is near whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.streams.placement import (
    load_placement,
    nearest_servers,
    project_m,
    uniform_placement,
)
from edgewright.streams.positions import SITES_FILE, USERS_FILE, load_positions

SITES = 'SITE_ID,LATITUDE,LONGITUDE,NAME\n1,-37.81,144.96,A\n2,-37.82,144.97,"B, corner"\n'
USERS = "Latitude,Longitude\n-37.811,144.961\n\n-37.819,144.969\n-37.815,144.965\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SITES_FILE).write_text(SITES)
    (tmp_path / USERS_FILE).write_text(USERS)
    return tmp_path


def test_columns_are_found_by_name(folder: Path) -> None:
    np.testing.assert_allclose(
        load_positions(folder / SITES_FILE), [[-37.81, 144.96], [-37.82, 144.97]]
    )
    assert load_positions(folder / USERS_FILE).shape == (3, 2)


def test_projection_by_hand() -> None:
    """A degree of latitude is 111.195 km; of longitude at 60 degrees, half of that."""
    centre = np.array([60.0, 10.0])
    metres = project_m(np.array([[61.0, 10.0], [60.0, 11.0], [60.0, 10.0]]), centre)
    np.testing.assert_allclose(metres, [[0, 111_195], [55_597, 0], [0, 0]], atol=1.0)


def test_a_folder_gives_the_first_of_each(folder: Path) -> None:
    placed = load_placement(folder, devices=2, servers=2)
    np.testing.assert_array_equal(nearest_servers(placed, 2), [[0, 1], [1, 0]])
    assert placed.servers_m.sum() == pytest.approx(0.0, abs=1e-6)  # the origin is their mean
    fewer = load_placement(folder, devices=1, servers=1)
    np.testing.assert_array_equal(fewer.servers_m[0], placed.servers_m[0])


CASES = [
    ("Latitude\n1\n", "the column 'longitude' is missing"),
    ("Latitude,Longitude\n", "it holds no position"),
    ("Latitude,Longitude\n-37.8,144.9\n-37.8,x\n", "line 3: longitude = 'x'"),
    ("Latitude,Longitude\n-97.8,144.9\n", "line 2: latitude = '-97.8'"),
    ("Latitude,Longitude\n-37.8\n", "line 2: 2 fields expected, 1 found"),
    ("Latitude,Longitude\n-37.8,\n", "line 2: longitude = ''"),
    ("", "the file is empty"),
    ("a,b\n1,2\n", "the column 'latitude' is missing"),
    ("Latitude,Longitude\n-37.8,144.9\n-27.8,144.9\n", "spread over 10.0 degrees"),
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_mistakes_are_named(folder: Path, text: str, message: str) -> None:
    (folder / USERS_FILE).write_text(text)
    with pytest.raises(InputError, match=message):
        load_placement(folder, devices=1, servers=1)


def test_too_few_positions_and_no_file(folder: Path) -> None:
    with pytest.raises(InputError, match=r"holds 3 positions, and the scenario has 4 devices"):
        load_placement(folder, devices=4, servers=1)
    with pytest.raises(InputError, match=r"set world\.servers = 2"):
        load_placement(folder, devices=1, servers=3)
    (folder / SITES_FILE).unlink()
    with pytest.raises(InputError, match="no such file"):
        load_placement(folder, devices=1, servers=1)


def test_drawn_places_lie_on_the_rectangle_and_stay_when_more_come() -> None:
    few = uniform_placement(50, 10, width_m=1000.0, height_m=200.0, seed=3)
    many = uniform_placement(500, 10, width_m=1000.0, height_m=200.0, seed=3)
    np.testing.assert_array_equal(few.servers_m, many.servers_m)
    np.testing.assert_array_equal(few.devices_m, many.devices_m[:50])
    assert np.all(np.abs(many.devices_m) <= [500.0, 100.0])
    # uniform: variance of a side is its square over 12, within 4 deviations
    np.testing.assert_allclose(many.devices_m.std(axis=0), [288.7, 57.7], rtol=0.12)
    other = uniform_placement(50, 10, width_m=1000.0, height_m=200.0, seed=4)
    assert not np.allclose(other.devices_m, few.devices_m)


def test_nearest_against_all_distances() -> None:
    placed = uniform_placement(40, 12, width_m=900.0, height_m=400.0, seed=0)
    gaps = np.linalg.norm(placed.devices_m[:, None] - placed.servers_m, axis=-1)
    for reach in (1, 3, 12):
        found = nearest_servers(placed, reach)
        assert (found.shape, found.dtype) == ((40, reach), np.int32)
        np.testing.assert_array_equal(found, np.argsort(gaps, axis=1)[:, :reach])


def test_the_recorded_city(data: Path) -> None:
    """Counts, and the mean distances to three servers that docs and scenario quote."""
    placed = load_placement(data / "placement", devices=816, servers=125)
    near = nearest_servers(placed, 3)
    gaps = np.linalg.norm(placed.devices_m[:, None] - placed.servers_m[near], axis=-1)
    np.testing.assert_allclose(gaps.mean(axis=0), [65.2, 95.1, 118.3], atol=0.1)
