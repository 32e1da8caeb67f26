"""`observe` from gateway to gateway: no token goes back, vacancies are told, synced comes once."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest

from incumbent import AsyncClient, Client, Leader, Observation, Unavailable
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.proxies import proxied


class Observer:
    """Reads a stream of a client's on a thread of its own."""

    def __init__(self, client: Client, **scope: str) -> None:
        self._messages: Queue[Observation | BaseException] = Queue()
        self.told: list[Observation] = []
        self._states: dict[str, int | None] = {}
        self._thread = threading.Thread(target=self._read, args=(client, scope), daemon=True)
        self._thread.start()

    def _read(self, client: Client, scope: dict[str, str]) -> None:
        try:
            for told in client.observe(**scope):
                self._messages.put(told)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self._messages.put(error)

    def next(self, seconds: float = 10.0) -> Observation:
        told = self._messages.get(timeout=seconds)
        if isinstance(told, BaseException):
            raise told
        self.told.append(told)
        self._states[told.election] = token_of(told)
        return told

    def until(self, election: str, token: int | None, seconds: float = 10.0) -> None:
        """Wait until this is the latest state of this election."""
        while election not in self._states or self._states[election] != token:
            self.next(seconds)

    def synced(self) -> None:
        while not self.next().synced:
            pass

    def quiet(self, seconds: float) -> bool:
        """Whether nothing is told for so long."""
        self._thread.join(seconds)
        return self._messages.empty()

    def joined(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


def token_of(told: Observation) -> int | None:
    return None if told.leader is None else told.leader.token


@contextmanager
def observing(address: str | list[str], timeout: float = 10, **scope: str) -> Iterator[Observer]:
    with Client(address, timeout=timeout) as client:
        observer = Observer(client, **scope)
        yield observer
    observer.joined()


def is_told(observer: Observer, client: Client, election: str) -> None:
    """A term is told, and its end."""
    with client.campaign(election) as term:
        observer.until(election, term.token)
    observer.until(election, None)


def test_the_whole_state_first(gateway: Gateway) -> None:
    folder = an_election("observe")
    with Client(gateway.grpc) as client, client.campaign(f"{folder}/a", value=b"here") as term:
        with observing(gateway.grpc, prefix=f"{folder}/") as observer:
            told = observer.next()
            assert isinstance(told.leader, Leader)
            assert (told.election, told.leader.token, told.leader.value, told.synced) == (
                f"{folder}/a",
                term.token,
                b"here",
                False,
            )
            assert observer.next() == Observation("", None, synced=True)
            term.proclaim(b"there")
            changed = observer.next().leader
            assert changed is not None
            assert changed.value == b"there"
            is_told(observer, client, f"{folder}/b")
        with observing(gateway.grpc, election=f"{folder}/c") as observer:
            assert observer.next() == Observation(f"{folder}/c", None)
            assert observer.next().synced
            is_told(observer, client, f"{folder}/c")


def test_a_switch_in_which_nothing_changed(gateways: Gateways) -> None:
    """Also after a long silence: the time of the client's timeout counts from the break only."""
    one, two = gateways.begin(), gateways.begin()
    folder = an_election("observe")
    with (
        Client(two.serving().grpc) as client,
        client.campaign(f"{folder}/a") as term,
        observing([one.serving().grpc, two.grpc], timeout=1, prefix=f"{folder}/") as observer,
    ):
        observer.until(f"{folder}/a", term.token)
        observer.synced()
        assert observer.quiet(1.5), "longer than the timeout"
        one.kill()
        is_told(observer, client, f"{folder}/b")
        assert sum(told.synced for told in observer.told) == 1
        assert [token_of(told) for told in observer.told if told.election == f"{folder}/a"][
            -1
        ] == term.token


@pytest.mark.parametrize("how", ["freeze", "drain"])
def test_a_switch_in_which_terms_ended(gateways: Gateways, figures: Figures, how: str) -> None:
    """While nobody told it: one is vacant, one is led anew, one is led for the first time."""
    one, two = gateways.begin(), gateways.begin()
    folder = an_election("observe")
    ended, again, fresh = (f"{folder}/{name}" for name in ("ended", "again", "fresh"))
    with (
        Client(two.serving().grpc) as client,
        observing([one.serving().grpc, two.grpc], prefix=f"{folder}/") as observer,
    ):
        with client.campaign(ended) as term, client.campaign(again) as before:
            observer.until(ended, term.token)
            observer.until(again, before.token)
            one.freeze()
        began = now()
        with client.campaign(again) as after, client.campaign(fresh) as new:
            if how == "drain":
                one.terminate()
                one.thaw()
            count = len(observer.told)
            observer.until(fresh, new.token)
            observer.until(ended, None)
            figures(f"observer moves, {how} of its gateway", now() - began, 4)
            assert now() - began < 4 + 2
            states = [token_of(told) for told in observer.told[count:] if told.election == again]
            assert states == [None, after.token], "a vacancy lies between two terms"
        observer.until(again, None)
        assert_in_order(observer.told)


def assert_in_order(told: list[Observation]) -> None:
    """Tokens never go back, and a vacancy lies between two of them; synced once."""
    latest: dict[str, int] = {}
    highest: dict[str, int] = {}
    for each in told:
        token = token_of(each)
        if token is None:
            latest.pop(each.election, None)
            continue
        assert token >= highest.get(each.election, 0), told
        assert latest.get(each.election, token) == token, told
        latest[each.election] = highest[each.election] = token
    assert sum(each.synced for each in told) == 1


async def test_resets_while_much_changes(gateway: Gateway, neighbour: Gateway) -> None:
    """Twenty breaks of its connections, with terms beginning and ending all the time."""
    folder, told = an_election("observe"), list[Observation]()
    elections = [f"{folder}/{number}" for number in range(5)]
    async with (
        proxied(gateway.grpc) as one,
        proxied(neighbour.grpc) as two,
        AsyncClient([one.target, two.target]) as observer,
        AsyncClient([gateway.grpc, neighbour.grpc]) as client,
    ):
        reading = asyncio.create_task(_read(observer, folder, told))
        for number in range(100):
            async with client.campaign(elections[number % 5]):
                if number % 5 == 0:
                    one.reset()
                    two.reset()
                await asyncio.sleep(0.01)
        async with client.campaign(f"{folder}/last"):
            async with asyncio.timeout(10):
                await reading
    assert_in_order(told)
    states = {each.election: token_of(each) for each in told}
    assert all(states[election] is None for election in elections)


async def _read(client: AsyncClient, folder: str, told: list[Observation]) -> None:
    """Read until the last election is led."""
    async for each in client.observe(prefix=f"{folder}/"):
        told.append(each)
        if each.election == f"{folder}/last":
            return


def test_nobody_is_left(gateways: Gateways, figures: Figures) -> None:
    one = gateways.start()
    with observing(one.grpc, timeout=1, election=an_election()) as observer:
        observer.synced()
        assert observer.quiet(1.5)
        began = now()
        one.kill()
        with pytest.raises(Unavailable, match="no gateway answered within 1 s"):
            observer.next(1 + 2)
        figures("observer, the only gateway gone, timeout 1 s: told", now() - began, 1)
        assert 0.5 < now() - began < 1 + 2


def test_a_gateway_that_comes_back(gateways: Gateways, figures: Figures) -> None:
    one, election = gateways.start(), an_election()
    address = one.grpc
    with observing(address, timeout=60, election=election) as observer:
        with Client(address) as client, client.campaign(election) as term:
            observer.until(election, term.token)
            one.kill()
            gateways.start("--listen", address)
            began = now()
            assert client.leader(election) is not None
        observer.until(election, None)
        figures("observer, its gateway is back: told what happens", now() - began, 2)
        assert now() - began < 2 + 2
        assert_in_order(observer.told)
