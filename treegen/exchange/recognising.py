"""Which shape of descriptor list a source has."""

from collections.abc import Sequence

from treegen.errors import InputError
from treegen.exchange.descriptors import (
    Descriptors,
    Gathering,
    add_class_lines,
    add_mapping,
    add_pairs,
    add_records,
    is_pairs,
    unwrapped,
)
from treegen.exchange.sources import Source, Table
from treegen.exchange.tabular import add_rows, add_table
from treegen.tree.validation.schema import show

MOST_PHRASES = 500_000


def recognise(source: Source, classes: Sequence[str] = ()) -> Descriptors:
    """The descriptor list of a source.

    Args:
        source: not a tree.
        classes: those of the domain, which class numbers count through.

    Raises:
        InputError: it has no known shape, or no usable phrase.
    """
    into = Gathering()
    data, place, notes = (source.data, "", ()) if isinstance(source.data, Table) else unwrapped(source.data)
    into.notes += [*source.notes, *notes]
    if isinstance(data, Table):
        form = add_table(into, data)
    elif is_pairs(data):
        form = add_pairs(into, data, place, classes)
    elif isinstance(data, dict):
        form = add_mapping(into, data, place)
    elif isinstance(data, list) and any(isinstance(v, dict) for v in data):
        if all(isinstance(v, dict) and len(v) == 1 and isinstance(next(iter(v.values())), list) for v in data):
            form = add_mapping_list(into, data)
        else:
            form = add_records(into, data, place)
    elif isinstance(data, list) and data and all(isinstance(v, list) for v in data):
        form = add_rows(into, data)
    elif isinstance(data, list) and any(isinstance(v, str) and ":" in v for v in data):
        form = add_class_lines(into, data, place)
    else:
        raise _unknown(source, data)
    found = into.result(form)
    if not found.phrases:
        reasons = sorted({d.reason for d in found.dropped})
        told = f"{source.path}: read as {form}, but none of its {len(found.dropped)} entries is a usable phrase"
        raise InputError(told, "; ".join(reasons[:5]) or "the lists are empty")
    if len(found.phrases) > MOST_PHRASES:
        raise InputError(
            f"{source.path}: {len(found.phrases)} phrases; at most {MOST_PHRASES} are read", "divide the file"
        )
    return found


def add_mapping_list(into: Gathering, records: Sequence[dict[str, list[object]]]) -> str:
    """[{"class": [...]}, ...]: the same as one object."""
    form = ""
    for index, record in enumerate(records):
        form = add_mapping(into, record, f"/{index}")
    return form


def _unknown(source: Source, data: object) -> InputError:
    known = 'known: {"class": ["phrase", ...]}, {"class": {"attribute": "phrase"}}, records with a class, "Class: a, b"'
    return InputError(f"{source.path}: {source.syntax} of an unknown shape: {show(data)}", known)
