"""Tries an emulated link, or runs a command behind one.

    python -m bench.links --list
    python -m bench.links --profile 5g-sa --check [--probes 600]
    python -m bench.links --profile lte -- CMD ARG...

The command's network is the phone's: it reaches this machine, for instance a gateway that listens on 0.0.0.0, at the
address that is printed, over the link and in no other way.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from bench.links import LinkEmulator, LinkUnavailable, load, names
from bench.links.check import probes, throughput
from bench.links.namespaces import isolate
from bench.links.tun import bring_up

#: What jitter was measured with.
_EVERY_S = 0.2
_CONGESTION = ("cubic", "bbr")


def check(name: str, seed: int, count: int, seconds: float) -> Table:
    """The link from its two ends, beside the profile's figures.

    Raises:
        LinkUnavailable: this machine does not allow it.
    """
    profile = load(name)
    with LinkEmulator(profile, seed) as link:
        found = probes(link, count, _EVERY_S)
        for way in ("down", "up"):
            for congestion in _CONGESTION:
                found[f"{way}_mbit_s with {congestion}"] = throughput(link, way, seconds, congestion)
        counts = link.counts()
    table = Table("figure", "published", "measured here", title=f"{profile.title} ({profile.name})")
    for figure, value in found.items():
        published = profile.measured.get(figure.partition(" ")[0])
        table.add_row(figure, "" if published is None else f"{published:g}", f"{value:.2f}")
    table.add_row("emulator's own lateness p50/p99, us", "", "{p50}/{p99}".format(**counts["late_us"]))
    carried = {way: counts[way]["sent"] - counts[way]["overflowed"] for way in ("up", "down")}
    table.add_row("packets carried up/down", "", f"{carried['up']:,}/{carried['down']:,}")
    table.caption = f"TCP for {seconds:g} s each way. Source: {profile.source}. Assumed: {profile.assumed}."
    return table


def main() -> int:
    """Do what is asked for; the command's own exit status, or 3 where links can't be emulated here."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.links", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=names(), default="5g-sa")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--list", action="store_true", help="name the profiles")
    parser.add_argument("--check", action="store_true", help="measure round trips, loss and throughput")
    parser.add_argument("--probes", type=int, default=600, help="datagrams of --check, 5 a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long --check sends each way")
    parser.add_argument("--congestion", default="cubic", help="TCP's at both ends, such as bbr, for a command")
    parser.add_argument("command", nargs="*", help="what to run in the phone")
    args = parser.parse_args()
    try:
        if args.check:
            isolate()
            bring_up("lo")
            Console(width=100).print(check(args.profile, args.seed, args.probes, args.seconds))
            return 0
        if args.list or not args.command:
            for name in names():
                print(f"{name:12} {load(name).title}: {load(name).source}")
            return 0
        with LinkEmulator(args.profile, args.seed, args.congestion, args.congestion) as link:
            print(f"this machine is {link.host_address} from the phone", file=sys.stderr, flush=True)
            return link.run_in_phone(args.command).returncode
    except LinkUnavailable as why:
        print(f"no link: {why}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
