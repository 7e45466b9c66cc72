"""Links that acknowledge one incident without signing in: signed, and good for a day. PURE."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer

from alertrouter.refusals import RefusalError

GOOD_FOR = timedelta(hours=24)


class BadLinkError(RefusalError):
    """The link is not one of ours, or not any more; the text says which."""


@dataclass(frozen=True, slots=True)
class AckLinks:
    """Makes and reads the links; every replica needs the same secret."""

    secret: str = field(repr=False)
    public_url: str

    def url(self, incident_id: str, now: datetime) -> str:
        """The link for an incident, from `now` on."""
        return f"{self.public_url}/ack/{self._serializer().dumps([incident_id, int((now + GOOD_FOR).timestamp())])}"

    def incident_of(self, token: str, now: datetime) -> str:
        """The id of the incident that a link is for. Raises BadLinkError."""
        try:
            incident_id, until = self._serializer().loads(token)
        except (BadData, ValueError, TypeError):
            raise BadLinkError("This link is not whole, or not one of ours.") from None
        if now.timestamp() > until:
            raise BadLinkError("This link was good for a day, and that is over.")
        return str(incident_id)

    def _serializer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self.secret, salt="acknowledge")
