"""People who talk to the agent, simulated."""

import asyncio
from itertools import count
from random import Random

from agent_service.agent import Agent, Message
from agent_service.parts import PartError

_OFTEN_ASKED = ("What does it cost?", "Can I see a demo?", "Do you integrate with our CRM?", "Where is my data kept?")


async def talk(agent: Agent, per_second: float, random: Random) -> None:
    """Say something at that rate, until cancelled; half of it is what others have asked before."""
    async with asyncio.TaskGroup() as conversations:
        for number in count():
            text = random.choice(_OFTEN_ASKED) if random.random() < 0.5 else f"Is plan {number} right for us?"
            conversations.create_task(_say(agent, Message(f"session_{number}", text)))
            await asyncio.sleep(random.expovariate(per_second))


async def _say(agent: Agent, message: Message) -> None:
    try:
        await agent.ask(message)
    except (PartError, asyncio.QueueFull):
        return  # the agent has counted it; whoever asked goes away
