#!/usr/bin/env python
"""Have Prefect send a message when a run collapses or is rolled back, or a flow fails.

    python infra/prefect/notify.py --block slack-webhook/NAME
    python infra/prefect/notify.py --off

The block, created in the browser or with prefect.blocks.notifications, determines where messages
go: Slack, e-mail, Teams, PagerDuty, any webhook. A second run replaces what the first one created.
Needs PREFECT_API_URL.
"""

import argparse
import sys
from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation, EventTrigger, Posture, SendNotification
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

# By automation: the events, their resource, the subject and the body of the message.
MESSAGES = {
    "dvdgan: collapse": (
        {"dvdgan.checkpoint.collapsed"},
        "dvdgan.checkpoint.*",
        "Run {{ event.payload.run }} collapsed at step {{ event.payload.step }}",
        "{{ event.payload | tojson(indent=2) }}",
    ),
    "dvdgan: rollback": (
        {"dvdgan.checkpoint.rolled_back"},
        "dvdgan.checkpoint.*",
        "Run {{ event.payload.run }} was rolled back to step {{ event.payload.step }}",
        "{{ event.payload | tojson(indent=2) }}",
    ),
    "dvdgan: never learned": (
        {"dvdgan.checkpoint.never_learned"},
        "dvdgan.checkpoint.*",
        "Run {{ event.payload.run }} ended at step {{ event.payload.step }} without having learned",
        "{{ event.payload | tojson(indent=2) }}",
    ),
    "dvdgan: failure": (
        {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
        "prefect.flow-run.*",
        "Flow {{ flow.name }} ended as {{ flow_run.state.name }}",
        "{{ flow_run.state.message }}\n{{ flow_run | ui_url }}",
    ),
}


def main() -> int:
    """Read the command line and create, or remove, the automations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--block", metavar="TYPE/NAME", help="such as slack-webhook/NAME")
    action.add_argument("--off", action="store_true", help="send no messages any more")
    arguments = parser.parse_args()
    block = None if arguments.off else _block(arguments.block)
    for name in MESSAGES:
        _forget(name)
        if block is not None:
            _automation(name, block).create()
    print("no messages are sent" if block is None else f"messages go to {arguments.block}")
    return 0


def _block(reference: str) -> UUID:
    kind, _, name = reference.partition("/")
    with get_client(sync_client=True) as client:
        try:
            return client.read_block_document_by_name(name, kind).id
        except ObjectNotFound:
            sys.exit(
                f"error: there is no block {reference}\n"
                "  to do: create it in the browser (Blocks), or see those of `prefect block ls`"
            )


def _automation(name: str, block: UUID) -> Automation:
    events, resource, subject, body = MESSAGES[name]
    return Automation(
        name=name,
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect=events,
            match={"prefect.resource.id": resource},
            threshold=1,
            within=timedelta(0),
        ),
        actions=[SendNotification(block_document_id=block, subject=subject, body=body)],
    )


def _forget(name: str) -> None:
    with get_client(sync_client=True) as client:
        for known in client.read_automations_by_name(name):
            client.delete_automation(known.id)


if __name__ == "__main__":
    sys.exit(main())
