"""Whatever a model is given, it answers with a value in its range or with a reason; nothing else."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scores.inputs import Unusable
from streams.scores.model import Field, Model, initial, released
from streams.scores.run import run

ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


def told(error: Unusable) -> None:
    """A reason has words in both languages and can be printed."""
    assert error.texts["zh"] and error.texts["en"]  # noqa: PT018
    orjson.dumps(error.as_json())


def within(field: Field) -> st.SearchStrategy[Any]:
    """Values that the model says it takes."""
    if field.kind == "yes":
        return st.booleans()
    if field.kind == "code":
        return st.sampled_from(field.codes)
    if field.values:
        return st.sampled_from(field.values)
    low, high = field.min or 0, field.max if field.below is None else field.below - 0.001
    if field.integer:
        return st.integers(math.ceil(low), math.floor(high))
    return st.floats(low, high, allow_nan=False)


def fitting(model: Model) -> st.SearchStrategy[dict[str, Any]]:
    """Inputs that fit the schema."""
    needed = {name: within(field) for name, field in model.inputs.items() if not field.optional}
    optional = {name: within(field) for name, field in model.inputs.items() if field.optional}
    return st.fixed_dictionaries(needed, optional=optional)


@pytest.mark.parametrize("name", sorted(released()))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_fits_gives_a_finite_value_or_a_reason(name: str, data: st.DataObject) -> None:
    model = initial(name)
    readings = st.lists(st.fixed_dictionaries({"systolic": st.integers(60, 250), "diastolic": st.integers(30, 150)}))
    inputs = data.draw(fitting(model) if model.inputs else st.fixed_dictionaries({"readings": readings}))
    try:
        result = run(model, inputs)
    except Unusable as error:
        told(error)
        return
    assert result.value is not None or result.name is not None
    if result.value is not None:
        assert math.isfinite(result.value)
    if model.unit == "%":
        assert result.value is not None
        assert 0 <= result.value <= 100
    if model.classes:
        assert result.label is not None or result.name is None
        assert result.name is None or result.name in {one.name for one in model.classes}
    orjson.dumps(result.as_json())


@pytest.mark.parametrize("name", sorted(released()))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_garbage_gives_a_reason(name: str, data: st.DataObject) -> None:
    model = initial(name)
    names = st.sampled_from([*model.inputs, "readings", "height", "weight"])
    inputs = data.draw(st.dictionaries(names, ANYTHING, max_size=8))
    try:
        orjson.dumps(run(model, inputs).as_json())
    except Unusable as error:
        told(error)
