"""AUTH=proxy: a proxy in front has signed people in, and says who they are in a header."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.web.http import Refusal


class Proxy:
    """Believes the header when the connection comes from one of the networks, and nobody else."""

    routes: Sequence[Route] = ()
    middleware: Sequence[Middleware] = ()

    def __init__(self, header: str, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._header = header
        self._networks = networks

    async def name(self, request: Request) -> str | None:
        """The name in the header."""
        if not self._is_trusted(request):
            return None
        given = request.headers.getlist(self._header)
        return given[0].strip() if len(given) == 1 else None

    def ask(self, request: Request) -> Response:
        """403: there is no way in but through the proxy."""
        if self._is_trusted(request):
            raise Refusal(403, "Nobody is signed in: the proxy gave no user in %(header)s.", header=self._header)
        raise Refusal(403, "Nobody is signed in: come through the proxy.")

    def _is_trusted(self, request: Request) -> bool:
        if request.client is None:
            return False
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # how a socket for both families shows IPv4
        return any((mapped or address) in network for network in self._networks)
