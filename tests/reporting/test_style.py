"""Names on figures stay short and different."""

from spatial_swin.reporting import style


def test_long_names_are_cut_in_the_middle_and_stay_different() -> None:
    names = ["short", "x" * 30 + "1" * 30, "x" * 30 + "2" + "1" * 29, "x" * 40]
    short = style.shorten(names, 12)
    assert short[0] == "short"
    assert len(set(short)) == 4
    assert all(len(name) <= 12 + 4 for name in short)


def test_labels_never_overlap_their_neighbours() -> None:
    assert style.label_size(1.0) == 7.5
    assert style.label_size(0.1) < 7.2
    assert style.label_size(0.001) == 4.0
