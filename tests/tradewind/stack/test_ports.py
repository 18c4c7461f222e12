from __future__ import annotations

import socket

from tradewind.stack.ports import choose_port, is_free

HOST = "127.0.0.1"


def test_a_free_preferred_port_is_taken() -> None:
    free = choose_port(0, HOST)
    assert choose_port(free, HOST) == free


def test_a_taken_preferred_port_gives_way_to_a_free_one() -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]
        assert not is_free(taken, HOST)
        chosen = choose_port(taken, HOST)
        assert chosen != taken
        assert is_free(chosen, HOST)


def test_no_preference_gives_a_port_that_can_be_listened_on() -> None:
    with socket.create_server((HOST, choose_port(0, HOST))) as server:
        assert server.getsockname()[1] > 0
