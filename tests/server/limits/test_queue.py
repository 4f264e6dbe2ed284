"""The queue before the engine: places, order, fairness, refusals, and nothing lost when clients leave."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashstep.errors import Overloaded
from flashstep.server.limits.queue import Queue


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


class Guests:
    """Clients of a queue: they note when they got their place, and leave when told to."""

    def __init__(self, queue):
        self.queue = queue
        self.served = []
        self.positions = {}
        self.tasks = {}
        self.leave = {}

    async def come(self, name, client="a", weight=1):
        """One more client; it has its place or waits when this returns."""
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._stay(name, client, weight))
        await settled()

    async def go(self, name):
        self.leave[name].set()
        await settled()

    async def give_up(self, name):
        self.tasks[name].cancel()
        await settled()

    async def _stay(self, name, client, weight):
        def note(position):
            self.positions[name] = position

        async with self.queue.place(client, weight, note):
            self.served.append(name)
            await self.leave[name].wait()


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def guests(num_places=1, max_waiting=10, max_wait_s=60.0, clock=None):
    """Clients of a new queue; at the end all leave, and every place must be back."""
    queue = Queue(num_places, max_waiting=max_waiting, max_wait_s=max_wait_s, clock=clock or Clock())
    there = Guests(queue)
    yield there
    for leave in there.leave.values():
        leave.set()
    await asyncio.gather(*there.tasks.values(), return_exceptions=True)
    assert (queue.num_taken, queue.num_waiting) == (0, 0)


def test_places_are_given_in_order_and_waiters_are_told_their_position():
    async def check():
        async with guests(num_places=2) as there:
            for name in "12345":
                await there.come(name)
            assert there.served == ["1", "2"]
            assert there.positions == {"3": 1, "4": 2, "5": 3}
            await there.go("2")
            await there.go("1")
            assert there.served == ["1", "2", "3", "4"]

    asyncio.run(check())


def test_clients_take_turns_whatever_one_of_them_has_sent():
    async def check():
        async with guests() as there:
            for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
                await there.come(name, client=name[0])
            assert there.positions["b1"] == 2, "before it only the first of a"
            for _ in range(6):
                await there.go(there.served[-1])
            assert there.served == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]

    asyncio.run(check())


def test_a_request_for_many_answers_waits_for_as_many_places_and_is_not_passed_by():
    async def check():
        async with guests(num_places=3) as there:
            for name, weight in (("1", 1), ("2", 1), ("big", 3), ("3", 1)):
                await there.come(name, weight=weight)
            assert there.served == ["1", "2"], "a place is free, but big is before 3"
            await there.go("1")
            assert there.served == ["1", "2"]
            await there.go("2")
            assert there.served == ["1", "2", "big"]
            await there.come("huge", weight=100)
            await there.go("big")
            await there.go("3")
            assert there.served[-2:] == ["3", "huge"], "more than there are places: all of them"

    asyncio.run(check())


def test_a_full_queue_refuses_and_says_when_to_come_again():
    async def check():
        clock = Clock()
        async with guests(max_waiting=2, clock=clock) as there:
            for name in "12":
                await there.come(name)
            clock.now_s += 100  # answers take long
            await there.go("1")
            for name in "345":
                await there.come(name)
            with pytest.raises(Overloaded, match="2 requests are waiting already, its limit") as raised:
                await there.tasks["5"]
            assert 3 <= raised.value.retry_after_s <= 60
            assert there.queue.num_refused == {"full": 1, "wait": 0}

    asyncio.run(check())


def test_a_client_that_filled_the_queue_makes_room_for_others():
    async def check():
        async with guests(max_waiting=3) as there:
            for name in ("a1", "a2", "a3", "a4", "b1"):
                await there.come(name, client=name[0])
            with pytest.raises(Overloaded):
                await there.tasks["a4"]
            await there.go("a1")
            await there.go("a2")
            assert there.served == ["a1", "a2", "b1"]
            await there.come("b2", client="b")
            await there.come("b3", client="b")
            await there.come("b4", client="b")
            with pytest.raises(Overloaded):
                await there.tasks["b4"]

    asyncio.run(check())


def test_a_wait_has_an_end():
    async def check():
        async with guests(max_wait_s=0.01) as there:
            await there.come("1")
            await there.come("2")
            with pytest.raises(Overloaded, match="no place became free within 0.01 seconds"):
                await there.tasks["2"]
            assert there.queue.num_waiting == 0
            assert there.queue.num_refused == {"full": 0, "wait": 1}

    asyncio.run(check())


def test_a_waiter_that_leaves_gives_its_turn_to_the_next_at_once():
    async def check():
        async with guests(num_places=2) as there:
            await there.come("1")
            await there.come("big", weight=2)
            await there.come("2")
            assert there.served == ["1"]
            await there.give_up("big")
            assert there.served == ["1", "2"]
            await there.give_up("1")
            await there.give_up("2")

    asyncio.run(check())


def test_a_turn_that_comes_as_the_client_leaves_is_passed_on():
    async def check():
        async with guests() as there:
            for name in "123":
                await there.come(name)
            there.leave["1"].set()
            for _ in range(4):  # whichever comes first, the place or the farewell
                await asyncio.sleep(0)
                there.tasks["2"].cancel()
            await settled()
            assert there.served[-1] == "3"

    asyncio.run(check())


steps = st.lists(
    st.tuples(st.sampled_from(["come", "go", "give_up"]), st.integers(0, 30), st.integers(1, 4)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(1, 4), st.integers(0, 5))
def test_whatever_clients_do_places_are_never_exceeded_nor_lost(steps, num_places, max_waiting):
    async def check():
        async with guests(num_places, max_waiting) as there:
            for number, (action, which, weight) in enumerate(steps):
                if action == "come":
                    await there.come(str(number), client="abc"[which % 3], weight=weight)
                elif there.tasks:
                    await getattr(there, action)(list(there.tasks)[which % len(there.tasks)])
                assert 0 <= there.queue.num_taken <= num_places
                assert there.queue.num_waiting <= max_waiting

    asyncio.run(check())
