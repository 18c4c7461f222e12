"""Mobile links with measured behaviour, emulated packet by packet in user space.

`profiles.json` says what was measured and where, `link.py` decides for each packet when it arrives or whether it is
lost, without a clock or a socket of its own; `pump.py` carries real packets between two TUN devices by that decision,
and `emulator.py` is how Python holds it: `with LinkEmulator("5g-sa", seed=1) as link: ...`. A proxy can't do this: it
ends the TCP connection, and then a lost packet is only a late byte.
"""

from bench.links.emulator import LinkEmulator
from bench.links.link import Link, Way
from bench.links.namespaces import LinkUnavailable
from bench.links.profile import Profile, load, names

__all__ = ["Link", "LinkEmulator", "LinkUnavailable", "Profile", "Way", "load", "names"]
