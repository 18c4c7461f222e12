"""TUN devices: packets of IP, read and written as files. A device goes when the file is closed."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass

from bench.links.namespaces import LinkUnavailable

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_SIOCSIFADDR, _SIOCSIFDSTADDR, _SIOCSIFTXQLEN = 0x8916, 0x8918, 0x8943
_NAME = "tw%d"  # the kernel fills in the first number that is free
#: Packets that may wait for whoever reads the device; those beyond are dropped unseen, so it is far from the usual 500.
_DEVICE_QUEUE = 20_000

_RTM_NEWROUTE, _NLM_REQUEST, _NLM_ACK, _NLM_CREATE, _NLM_REPLACE = 24, 1, 4, 0x400, 0x100
_RTA_DST, _RTA_OIF, _RTA_METRICS, _RTAX_CC_ALGO = 1, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Device:
    """An open TUN device; reading and writing don't block."""

    fd: int
    name: str


def open_tun() -> Device:
    """A new device in this thread's network namespace.

    Raises:
        LinkUnavailable: /dev/net/tun is missing or not allowed.
    """
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise LinkUnavailable(f"/dev/net/tun can't be opened ({error.strerror}); links need it") from None
    try:
        made = fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", _NAME.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        os.close(fd)
        raise LinkUnavailable(f"a TUN device can't be made ({error.strerror}); it needs CAP_NET_ADMIN") from None
    return Device(fd, made[:16].rstrip(b"\0").decode())


def bring_up(name: str, own: str | None = None, peer: str | None = None) -> None:
    """Give a device its address and the one at its other end, and switch it on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:

        def tell(command: int, value: bytes) -> bytes:
            return fcntl.ioctl(control, command, struct.pack("16s", name.encode()) + value.ljust(24, b"\0"))

        def address(text: str) -> bytes:
            return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))

        if own is not None and peer is not None:
            tell(_SIOCSIFADDR, address(own))
            tell(_SIOCSIFDSTADDR, address(peer))
            tell(_SIOCSIFTXQLEN, struct.pack("i", _DEVICE_QUEUE))
            _no_ipv6(name)
        flags = struct.unpack("16sH", tell(_SIOCGIFFLAGS, b"")[:18])[1]
        tell(_SIOCSIFFLAGS, struct.pack("H", flags | _IFF_UP))


def route(name: str, to: str | None, congestion: str) -> None:
    """Lead packets for an address (None: for all) to the device, with this congestion control for TCP.

    Set on the route, it holds for both ends of a connection and for any program, and for nothing else on the machine.

    Raises:
        LinkUnavailable: the kernel has no such congestion control.
    """
    control = _attribute(_RTAX_CC_ALGO, congestion.encode() + b"\0")
    message = struct.pack("BBBBBBBBI", socket.AF_INET, 32 if to else 0, 0, 0, 254, 3, 253 if to else 0, 1, 0)
    if to:
        message += _attribute(_RTA_DST, socket.inet_aton(to))
    message += _attribute(_RTA_OIF, struct.pack("I", socket.if_nametoindex(name))) + _attribute(_RTA_METRICS, control)
    flags = _NLM_REQUEST | _NLM_ACK | _NLM_CREATE | _NLM_REPLACE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("IHHII", 16 + len(message), _RTM_NEWROUTE, flags, 1, 0) + message)
        code = -struct.unpack("i", kernel.recv(4096)[16:20])[0]
    if code == errno.ENOENT:
        code = errno.EINVAL
    if code:
        raise LinkUnavailable(
            f"no route with congestion control {congestion!r} ({os.strerror(code)});"
            " /proc/sys/net/ipv4/tcp_available_congestion_control lists those that there are"
        )


def _attribute(kind: int, value: bytes) -> bytes:
    whole = struct.pack("HH", 4 + len(value), kind) + value
    return whole.ljust((len(whole) + 3) & ~3, b"\0")


def _no_ipv6(name: str) -> None:
    """Keep the kernel from sending its own packets of IPv6, which would wake a radio up."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as setting:
            setting.write("1")
    except OSError:  # no IPv6 here, or not ours to say; `pump.py` leaves its packets out
        return
