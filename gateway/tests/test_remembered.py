"""What is remembered of bytes: made once, and never too many."""

from gateway.remembered import MOST, Remembered


def test_a_value_is_made_once() -> None:
    asked: list[bytes] = []

    def make(data: bytes) -> int:
        asked.append(data)
        return len(data)

    remembered = Remembered(make)
    assert [remembered[data] for data in (b"ruby", b"opal", b"ruby")] == [4, 4, 4]
    assert asked == [b"ruby", b"opal"]


def test_the_number_is_bounded() -> None:
    remembered = Remembered(int)
    for number in range(3 * MOST):
        assert remembered[b"%d" % number] == number
        assert len(remembered) <= MOST


def test_what_cannot_be_made_is_not_remembered() -> None:
    remembered = Remembered(int)
    for _ in range(2):
        try:
            remembered[b"ruby"]
        except ValueError:
            continue
        raise AssertionError("it was made after all")
    assert not remembered
