"""``leave`` and ``remove``: what was given is given back, whoever asks, however often, whatever has happened since."""

from __future__ import annotations

import shutil

from ....cancel import Cancel
from ....slots.network import LeaveRequest, RemoveRequest
from ...namespaces import Namespace, tool
from .bench import PATIENCE, Site, asked, free_address, port, talking
from .joining import sound


class Leaving:
    """What every end of a container relies on."""

    def test_leaving_gives_everything_back(self, site: Site) -> None:
        """After ``leave`` the address is free, and the host has what it had when nobody was there."""
        network = site.small()
        free_address(site, network)
        before = site.facts()
        site.join(network, ports=(port(8080),))
        site.leave()
        assert site.facts() == before
        free_address(site, network)

    def test_leaving_twice_is_leaving(self, site: Site) -> None:
        """"``leave`` and ``remove`` may be repeated": a clean-up that was killed is done again by the next command."""
        network = site.small()
        site.join(network, ports=(port(8080),))
        request = site.leaving()
        site.leave()
        before = site.facts()
        site.driver.leave(request)
        site.again().leave(request._replace(state=""))
        assert site.facts() == before
        free_address(site, network)

    def test_leaving_without_the_state(self, site: Site) -> None:
        """"Without the state": ``join`` returned, and the command was killed before it was written down."""
        network = site.small()
        free_address(site, network)
        before = site.facts()
        site.join(network, ports=(port(8080), port(8081, 81, "udp")))
        site.leave(stateless=True)
        assert site.facts() == before
        free_address(site, network)

    def test_leaving_without_the_namespace(self, site: Site) -> None:
        """"Without the namespace (after the container's end)": the reboot of a container's host, or a namespace that somebody
        removed, must not keep its address from others."""
        network = site.small()
        for stateless in (False, True):
            site.join(network, ports=(port(8080),))
            if site.packets:
                site.end("box")
            site.leave(ended=True, stateless=stateless)
            free_address(site, network)

    def test_leaving_with_the_place_of_a_namespace(self, live: Site) -> None:
        """"Nor is a namespace that is gone" an error where its path is there still: what held it was unmounted, and the file that
        it was mounted on is an empty one."""
        network = live.small()
        live.join(network)
        request = live.leaving()
        (live.scratch / "netns").touch()
        live.end("box")
        live.driver.leave(request._replace(joining=request.joining._replace(namespace=str(live.scratch / "netns"))))
        free_address(live, network)
        live.leave(ended=True)

    def test_leaving_what_was_never_joined(self, site: Site) -> None:
        """"Nothing there is no error": the kernel says that it is about to join before it calls, and asks for a ``leave`` of what
        perhaps never began. Others keep what they have."""
        network = site.network()
        site.join(network, "other", ports=(port(8081),))
        before = site.facts()
        site.driver.leave(LeaveRequest(site.request(network, "never", ports=(port(8080),)), "", Cancel(PATIENCE)))
        assert site.facts() == before

    def test_another_command_may_do_it(self, site: Site) -> None:
        """The plugin "has nothing to remember": another process, with an object of its own, takes back what this one gave."""
        network = site.small()
        site.join(network, ports=(port(8080),))
        site.leave(driver=site.again())
        free_address(site, network)

    def test_others_keep_theirs(self, live: Site) -> None:
        """Who leaves takes nothing from those who stay: not their address, not their ports, not the bridge."""
        network = live.network()
        live.join(network, "stays", ports=(port(8081),))
        live.join(network, "goes", ports=(port(8080),))
        with talking(live.space("stays"), 80):
            live.leave("goes")
            assert asked(None, "127.0.0.1", 8081)[0] == "hello"
            assert asked(None, "127.0.0.1", 8080, patience=1)[0] == ""

    def test_after_a_reboot(self, site: Site) -> None:
        """"After a reboot that took interfaces and rules away": ``leave`` and ``remove`` of what was there before it are no
        error, and the host's side is made again for the next one to join."""
        network = site.small()
        site.join(network, ports=(port(8080),))
        request = site.leaving()._replace()
        if not site.packets:
            shutil.rmtree(site.context.run_dir)
            site.leave(ended=True, driver=site.again())
            free_address(site, network)
            return
        with Namespace() as fresh:
            site.end("box")
            shutil.rmtree(site.context.run_dir, ignore_errors=True)
            with fresh.entered():
                before = site.facts()
                driver = site.again()
                driver.leave(request._replace(joining=request.joining._replace(namespace="")))
                driver.remove(RemoveRequest(network, Cancel(PATIENCE)))
                assert site.facts() == before
                sound(site.join(network, "after", driver=driver), network)
                site.leave("after", driver=driver)
                driver.remove(RemoveRequest(network, Cancel(PATIENCE)))
                assert site.facts() == before
            site.leave(ended=True)

    def test_removing_leaves_nothing(self, site: Site) -> None:
        """``remove``: "Remove the host's side of a network (its bridge). Nothing there is no error", the second time, too, and
        for a network that nobody was ever in."""
        before = site.facts()
        network = site.network()
        site.remove(network)
        site.join(network, ports=(port(8080),))
        site.leave()
        site.remove(network)
        assert site.facts() == before
        site.remove(network)

    def test_what_is_not_ours_stays(self, live: Site) -> None:
        """"Nothing of other programs' interfaces, rules and addresses is changed."""
        for line in ("ip link add kit-other type bridge", "ip addr add 10.250.0.1/24 dev kit-other", "ip link set kit-other up"):
            tool(*line.split())
        if shutil.which("iptables", path="/usr/sbin:/sbin"):
            for line in ("iptables -N KIT-OTHER", "iptables -A KIT-OTHER -s 10.250.0.0/24 -j ACCEPT",
                         "iptables -A FORWARD -j KIT-OTHER", "iptables -t nat -A POSTROUTING -s 10.250.0.0/24 -j MASQUERADE"):
                tool(*line.split())
        before = live.facts()
        network = live.network()
        live.join(network, ports=(port(8080),))
        lost = {name: [line for line in lines if line not in live.facts()[name]] for name, lines in before.items()}
        assert not any(lost.values()), lost
        live.leave()
        live.remove(network)
        assert live.facts() == before
        tool("ip", "link", "del", "kit-other")
        if shutil.which("iptables", path="/usr/sbin:/sbin"):
            for line in ("iptables -t nat -F", "iptables -D FORWARD -j KIT-OTHER", "iptables -F KIT-OTHER",
                         "iptables -X KIT-OTHER"):
                tool(*line.split())
