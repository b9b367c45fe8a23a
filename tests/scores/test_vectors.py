"""Every test vector of the clinical models, and the page that reports them."""

from collections.abc import Callable, Iterator

import pytest

from streams.scores.run import newest, run
from tests.scores.page import PAGE, page
from tests.scores.vectors import DATA, SOURCES, Vector, worked

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the reference data are not here ({DATA})")


@pytest.mark.parametrize(
    "source", [pytest.param(one, id=one.__name__, marks=() if one is worked else needs_data) for one in SOURCES]
)
def test_every_vector(source: Callable[[], Iterator[Vector]]) -> None:
    wrong = []
    for vector in source():
        model = newest(vector.model)
        assert model is not None, vector.model
        result = run(model, vector.given)
        value = result.values[vector.part] if vector.part else result.value
        far = vector.value is not None and (value is None or abs(value - vector.value) > vector.tolerance)
        if far or (vector.name is not None and result.name != vector.name):
            wrong.append((vector, value, result.name))
    assert not wrong, f"{len(wrong)}, the first: {wrong[0]}"


@needs_data
def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
