"""Which steps are open, in all three modes, against a plain model of the contract."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.navigation import locked_reason
from runtime.domain.workshop import NavigationMode, Step, TerminalSettings, Workshop


def workshop(mode: NavigationMode, steps: list[tuple[str | None, tuple[str, ...]]]) -> Workshop:
    """A workshop of steps s0, s1, … given as (group, requires)."""
    return Workshop(
        name="w",
        title="W",
        description="",
        image="w",
        navigation=mode,
        llm=None,
        terminal=TerminalSettings(),
        auto_validate="on-command",
        steps=tuple(
            Step(id=f"s{n}", title=f"Step {n}", group=group, requires=requires, position=n)
            for n, (group, requires) in enumerate(steps)
        ),
    )


PLAIN: list[tuple[str | None, tuple[str, ...]]] = [(None, ())] * 3
GUIDED: list[tuple[str | None, tuple[str, ...]]] = [
    ("Basics", ()),
    ("Basics", ("s0",)),
    ("More", ()),
    (None, ()),
    ("More", ("s0", "s1")),
]


def reasons(shop: Workshop, *completed: str) -> list[str | None]:
    return [locked_reason(shop, step, completed) for step in shop.steps]


def test_linear_opens_one_step_after_the_other() -> None:
    shop = workshop(NavigationMode.LINEAR, PLAIN)
    assert reasons(shop) == [None, "Complete “Step 0” first.", "Complete “Step 0” first."]
    assert reasons(shop, "s0") == [None, None, "Complete “Step 1” first."]


def test_free_opens_everything() -> None:
    assert reasons(workshop(NavigationMode.FREE, PLAIN)) == [None, None, None]


def test_guided_opens_by_requirements_and_groups_and_says_why_not() -> None:
    shop = workshop(NavigationMode.GUIDED, GUIDED)
    assert reasons(shop) == [
        None,
        "Complete “Step 0” first.",
        "“More” opens when every step of “Basics” is completed; 2 to go.",
        None,
        "Complete “Step 0” and “Step 1” first.",
    ]
    assert reasons(shop, "s0", "s1") == [None] * 5


def test_a_completed_step_is_always_open() -> None:
    shop = workshop(NavigationMode.LINEAR, PLAIN)
    assert reasons(shop, "s2") == [None, "Complete “Step 0” first.", None]


groups = st.sampled_from((None, "One", "Two", "Three"))


@given(st.lists(groups, min_size=1, max_size=8), st.data())
def test_guided_agrees_with_the_contract_in_plain_words(
    names: list[str | None], data: st.DataObject
) -> None:
    ids = [f"s{n}" for n in range(len(names))]
    requires = [
        tuple(data.draw(st.sets(st.sampled_from(ids[:n] or ["s0"]), max_size=2)) - {f"s{n}"})
        for n in range(len(names))
    ]
    shop = workshop(NavigationMode.GUIDED, list(zip(names, requires, strict=True)))
    completed = data.draw(st.sets(st.sampled_from(ids)))
    order = list(dict.fromkeys(name for name in names if name))
    for step in shop.steps:
        index = order.index(step.group) if step.group else 0
        previous = order[index - 1] if index else None
        expected = step.id in completed or (
            set(step.requires) <= completed
            and all(
                each.id in completed for each in shop.steps if previous and each.group == previous
            )
        )
        assert (locked_reason(shop, step, completed) is None) == expected


@given(st.integers(1, 8), st.data())
def test_linear_and_free_agree_with_the_contract_in_plain_words(
    count: int, data: st.DataObject
) -> None:
    completed = data.draw(st.sets(st.sampled_from([f"s{n}" for n in range(count)])))
    steps: list[tuple[str | None, tuple[str, ...]]] = [(None, ())] * count
    free = workshop(NavigationMode.FREE, steps)
    assert reasons(free, *completed) == [None] * count
    linear = workshop(NavigationMode.LINEAR, steps)
    for n, reason in enumerate(reasons(linear, *completed)):
        assert (reason is None) == (
            f"s{n}" in completed or all(f"s{earlier}" in completed for earlier in range(n))
        )


@given(st.sampled_from(NavigationMode), st.lists(groups, min_size=1, max_size=8), st.data())
def test_more_progress_locks_nothing_and_a_way_to_the_end_is_always_open(
    mode: NavigationMode, names: list[str | None], data: st.DataObject
) -> None:
    ids = [f"s{n}" for n in range(len(names))]
    shop = workshop(mode, [(name, ()) for name in names])
    completed = data.draw(st.sets(st.sampled_from(ids)))
    while len(completed) < len(ids):
        open_now = {step.id for step in shop.steps if not locked_reason(shop, step, completed)}
        assert open_now - completed, "the student is stuck"
        completed = completed | {data.draw(st.sampled_from(sorted(open_now - completed)))}
        open_then = {step.id for step in shop.steps if not locked_reason(shop, step, completed)}
        assert open_now <= open_then
