"""Connection.CommandSequenceWindow: which MessageIds may still come, [MS-SMB2] 3.3.1.1, 3.3.1.2."""

from __future__ import annotations


class SequenceWindow:
    """The message ids granted and not yet used, seen from the server.

    Ids below `low` are all used; those from `low` to `high` are granted, except the ones in the set
    of ids used out of order, which is bounded by the span `maximum`.
    """

    __slots__ = ("_used", "high", "low", "maximum")

    def __init__(self, maximum: int) -> None:
        self.low = 0
        self.high = 1  # {0} at the start
        self.maximum = maximum
        self._used: set[int] = set()

    @property
    def available(self) -> int:
        """Credits the client holds."""
        return self.high - self.low - len(self._used)

    def consume(self, message_id: int, charge: int) -> bool:
        """Use `charge` ids from `message_id` on; False if one is not granted or used already."""
        end = message_id + charge
        if message_id < self.low or end > self.high:
            return False
        used = self._used
        if message_id == self.low:
            if used:
                if any(i in used for i in range(message_id, end)):
                    return False
                while end in used:
                    used.remove(end)
                    end += 1
            self.low = end
            return True
        wanted = range(message_id, end)
        if any(i in used for i in wanted):
            return False
        used.update(wanted)
        return True

    def grant(self, requested: int, charge: int) -> int:
        """Credits for the response to a request that asked for `requested` and used `charge`.

        What was asked, at least what keeps the client alive (3.3.1.2: never zero credits), and
        never so much that the window spans more than `maximum` ids: a client that withholds one
        id can not make the set of used ones grow without bound.
        """
        room = self.maximum - (self.high - self.low)
        granted = min(requested, room)
        if granted < 1:
            granted = 1 if self.available == 0 and room > 0 else 0
        self.high += granted
        return granted
