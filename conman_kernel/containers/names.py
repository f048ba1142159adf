"""Random names for containers that were given none: an adjective and a seaport, as docker and podman pair theirs."""

from __future__ import annotations

import os
import re

from ..errors import InvalidInput

_ADJECTIVES = """able airy amber apt bold brave brisk calm candid clear clever cosy crisp deft eager early exact fair fleet
fond frank fresh gentle glad golden grand hale handy happy hardy honest humble jolly just keen kind large lively loyal lucid
lucky merry mild modest neat nimble noble patient plain plucky polite proud prompt quick quiet ready rosy round rustic
serene sharp silent silver simple sleek smart smooth snug sober solid spry stable steady stout sunny swift tidy tough trim
true trusty upbeat vivid warm wise witty zesty""".split()
_PORTS = """aarhus abidjan accra aden alexandria algeciras amsterdam antwerp apia bari bergen bilbao bordeaux boston bremen
brest brindisi bristol busan cadiz calais callao cardiff cartagena cork dakar danzig darwin dover dublin durban esbjerg
fremantle galway gdynia genoa ghent haifa halifax hamburg havana helsinki hobart incheon izmir jeddah kiel kobe kotka leith
limassol lisbon luanda lubeck malaga malmo manila maputo marseille mombasa montreal mumbai muscat nagoya nantes naples
odessa osaka oslo palermo piraeus porto quito reykjavik riga rostock rotterdam salerno santos seattle split stavanger
sydney tallinn tampico tangier taranto trieste tunis turku valencia varna venice vigo visby wismar yokohama""".split()

_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def random_name() -> str:
    """One of some 8,000 pairs, chosen by the kernel's random source; the caller tries again where it is taken."""
    number = int.from_bytes(os.urandom(4), "little")
    return f"{_ADJECTIVES[number % len(_ADJECTIVES)]}_{_PORTS[number // 1000 % len(_PORTS)]}"


def check_name(name: str) -> str:
    """Return a container name as it is, if it is one.

    :raises InvalidInput: it does not match ``[a-zA-Z0-9][a-zA-Z0-9_.-]*``, docker's and podman's rule.
    """
    if not _VALID.fullmatch(name):
        raise InvalidInput(f'"{name}" is no valid container name', hint="names match [a-zA-Z0-9][a-zA-Z0-9_.-]*")
    return name
