"""One leave: the plugins are deleted in reverse order from what the join kept, or from what it would have kept."""

from __future__ import annotations

import json
from functools import partial
from typing import Callable, cast

from conman_kernel.errors import ConmanError
from conman_kernel.slots.network import JoinRequest, LeaveRequest

from . import conf, invoke, leases, look, macs
from .invoke import Json
from .joining import Kept, Means, close_ports, place_of, versions


def leave(means: Means, request: LeaveRequest) -> None:
    """See the slot: every part is tried, and the first failure told."""
    joining, network = request.joining, request.joining.network
    request.cancel.check()
    kept = parse(request.state) or _guessed(means, joining)
    failed: list[ConmanError] = []

    def attempt(part: Callable[[], None]) -> None:
        try:
            part()
        except ConmanError as error:
            failed.append(error)

    if joining.ports and network.driver == "bridge":
        ips = {conf.version(address) for address in kept.addresses} or set(versions(network))
        attempt(lambda: close_ports(means, joining, sorted(ips), request.cancel))
    place = place_of(means, joining)
    if place.namespace and not look.is_namespace(place.namespace):
        place = place._replace(namespace="")
    for one in reversed(kept.confs):
        attempt(partial(invoke.delete, one, place, means.folders, request.cancel, kept.result))
    if not request.state:
        leases.sweep(means.leases_of(network))
    if joining.mac:
        from conman_kernel.support.networks import mac_address

        macs.release(means.macs_of(network), joining, mac_address(joining.mac))
    if failed:
        raise failed[0]


def parse(state: str) -> Kept | None:
    """What a join kept; None: nothing, or nothing that can be read."""
    try:
        raw: object = json.loads(state) if state else None
    except ValueError:
        return None
    if not isinstance(raw, dict) or raw.get("version") != 1:
        return None
    confs, result, addresses = raw.get("confs"), raw.get("result"), raw.get("addresses")
    if not isinstance(confs, list) or not all(isinstance(one, dict) and "type" in one for one in confs):
        return None
    return Kept(tuple(cast("list[Json]", confs)), cast("Json", result) if isinstance(result, dict) else None,
                tuple(str(one) for one in addresses) if isinstance(addresses, list) else ())


def _guessed(means: Means, joining: JoinRequest) -> Kept:
    """For a join that nobody saw return: its configuration is made again, its addresses are read from the leases."""
    network = joining.network
    chain = conf.chain(network, means.leases, conf.Wish(), firewalld=means.firewalld())
    found = leases.held(means.leases_of(network), joining.container, joining.interface)
    if len(chain) == 1 or not found:
        return Kept(tuple(chain[:1]), None)
    result = {"cniVersion": invoke.VERSION, "ips": [{"address": f"{one}/{128 if ':' in one else 32}"} for one in found]}
    return Kept(tuple(chain), result)


