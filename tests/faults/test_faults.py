"""The tests can fail: each fault in a copy of the tree is noticed by the test named beside it.

Here is one fault of each file; `make mutations` makes every one.
"""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.proof import table, written
from tests.faults.tree import PASSED, Tree, check, notices

QUICK = tuple({fault.file: fault for fault in reversed(FAULTS)}.values())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("faults") / "tree")


def test_without_a_fault_every_test_named_passes(tree: Tree) -> None:
    status, output = tree.run(*dict.fromkeys(fault.test for fault in QUICK))
    assert status == PASSED, output


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_noticed(fault: Fault, tree: Tree) -> None:
    assert notices(tree, fault) == ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_the_place_of_a_fault_is_there(fault: Fault) -> None:
    check(fault)


def test_there_are_forty_of_them_and_the_document_names_each() -> None:
    assert len(FAULTS) >= 40
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert written() == table()
