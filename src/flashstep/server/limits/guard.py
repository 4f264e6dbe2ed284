"""All that stands between a client and the model, in one place: keys, their meters, queue and drain."""

from flashstep.server.call import Call
from flashstep.server.keys.key_ring import KeyRing
from flashstep.server.limits.admission import QueuedAdmission
from flashstep.server.limits.drain import Drain
from flashstep.server.limits.meter import Meter, Meters
from flashstep.server.limits.queue import Queue
from flashstep.server.served_model import ServedModel
from flashstep.server.settings import ServerSettings


class Guard:
    """The parts, made for one model. Raises ConfigError when the key file cannot be read."""

    def __init__(self, model: ServedModel, settings: ServerSettings) -> None:
        limits = settings.limits
        self.keys = KeyRing(settings.api_keys, settings.api_key_file)
        self.meters = Meters()
        self.drain = Drain()
        self.queue = Queue(
            model.max_concurrency, max_waiting=limits.max_waiting, max_wait_s=limits.max_queue_wait_s
        )
        self.admission = QueuedAdmission(self.queue, self.drain, self._meter_of)

    def _meter_of(self, call: Call) -> Meter | None:
        return self.meters.of(call.key)
