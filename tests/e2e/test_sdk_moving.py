"""What a client does while its term moves: the `enter` is sent, and not answered yet."""

import asyncio

import pytest

from incumbent import AsyncClient, OnDisconnect
from tests.scripted import TOKEN, moving


@pytest.mark.parametrize("on_disconnect", list(OnDisconnect))
async def test_a_value_is_proclaimed_once_the_new_stream_leads(on_disconnect: OnDisconnect) -> None:
    """Not earlier: that would be refused, and end the stream."""
    async with (
        moving() as (gateway, address),
        AsyncClient(address) as client,
        client.campaign("e", value=b"old", on_disconnect=on_disconnect) as term,
    ):
        gateway.move.set()
        await gateway.entered.wait()
        proclaiming = asyncio.create_task(term.proclaim(b"new"))
        await asyncio.sleep(0.2)
        assert not proclaiming.done()
        gateway.answer.set()
        await proclaiming
        assert gateway.early == []
        assert (term.held, term.token, term.value) == (True, TOKEN, b"new")
