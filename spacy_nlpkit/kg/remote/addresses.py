"""Which hosts may be reached: https alone, and no private network, unless the settings allow a host by name."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from ...errors import Errors, NlpkitError
from .failure import Failure

_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Endpoint(NamedTuple):
    """Where a service is. allowed: named in `allow_hosts`, so that it may be private and without https."""

    scheme: str
    host: str
    port: int
    path: str
    allowed: bool

    @property
    def authority(self) -> str:
        """Host and port, as in the address, for messages, the Host header and the limits of rate."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_endpoint(url: str, allow_hosts: tuple[str, ...] = ()) -> Endpoint:
    """Take the address of a service apart.

    RAISES: N181 for another scheme than https (http for allowed hosts), for an address with a name and password, a
    query or a fragment (keys belong into an environment variable), and for one that cannot be read.
    """

    def refuse(problem: str) -> NlpkitError:
        # What stands before an @ or after a ? may be a secret.
        shown = re.sub(r"[^/]*@", "", re.split(r"[?#]", url)[0])
        return NlpkitError(Errors.N181.format(endpoint=repr(shown), problem=problem))

    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii").lower(), parts.port
    except ValueError:
        raise refuse("it cannot be read as an address") from None
    if not re.fullmatch(r"[\x21-\x7e]+", url.replace(parts.hostname or "", "")):
        raise refuse("it holds blanks or characters that must be percent-encoded")
    if not host:
        raise refuse("it names no host")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise refuse("it holds a user name or password")
    if "?" in url or "#" in url:
        raise refuse("it holds a query or fragment; parameters are added by the package, keys go by `key_variable`")
    if parts.scheme not in _PORTS:
        raise refuse("its scheme is not https")
    port = port or _PORTS[parts.scheme]
    names = {host, f"{host}:{port}", f"[{host}]:{port}"}
    allowed = not names.isdisjoint(name.lower() for name in allow_hosts)
    if parts.scheme != "https" and not allowed:
        raise refuse("its scheme is not https and the host is not in `allow_hosts`")
    return Endpoint(parts.scheme, host, port, parts.path or "/", allowed)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also where an IPv6 address carries an IPv4 one."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    return ip.is_global and not special and not ip.is_unspecified


def resolve(endpoint: Endpoint, seconds: float) -> list[str]:
    """The IP addresses of a host, in the system's order of preference.

    Connections go to these very addresses, so that a name that resolves to another one later leads nowhere else.

    RAISES: Failure where the name does not resolve in time, or any of its addresses is not public and not allowed.
    """
    found: list[str] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    # The system's resolver knows no time limit of ours.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Failure("timeout", "its name did not resolve in time")
    if not found:
        raise Failure("connection", "its name does not resolve")
    if not endpoint.allowed and not all(map(is_public, found)):
        raise Failure("refused", "its address is private or local, and it is not in `allow_hosts`")
    return found
