"""Which view a picture is shown in: every view once in a round, in an order of its own, told by the epoch alone."""

from hypothesis import given
from hypothesis import strategies as st

from spatial_swin.data.views import view_of

KEYS = st.integers(0, 2**63 - 1)


@given(key=KEYS, views=st.integers(1, 20), cycle=st.integers(0, 50), seed=st.integers(0, 2**31))
def test_every_round_shows_every_view_once(key: int, views: int, cycle: int, seed: int) -> None:
    shown = [view_of(key, epoch, views, seed) for epoch in range(cycle * views, (cycle + 1) * views)]
    assert sorted(shown) == list(range(views))


def test_pictures_do_not_repeat_together_and_rounds_differ() -> None:
    orders = {key: tuple(view_of(key, epoch, 8, 7) for epoch in range(16)) for key in range(50)}
    assert len(set(orders.values())) == 50
    assert any(order[:8] != order[8:] for order in orders.values())
    assert len({view_of(key, 0, 8, 7) for key in range(50)}) == 8


def test_the_seed_changes_the_order() -> None:
    assert [view_of(3, e, 8, 1) for e in range(40)] != [view_of(3, e, 8, 2) for e in range(40)]
