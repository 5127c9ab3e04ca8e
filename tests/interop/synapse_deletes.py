"""Deletes state groups as Synapse does, on a database that others write to: synapse_deletes.py -c CONFIG ...
Says "ready"; then, for each line that it is given, does one round of what Synapse's main process does each minute, and says
whether it deleted any."""

import sys

from synapse.app.homeserver import SynapseHomeServer
from synapse.config.homeserver import HomeServerConfig
from synapse.logging.context import LoggingContext
from twisted.internet import defer, reactor, threads


async def round_of(server):
    with LoggingContext(name="deletes", server_name=server.hostname):
        found = await server.get_datastores().state_deletion.get_next_state_group_collection_to_delete()
        return found is not None and await server.get_storage_controllers().purge_events._delete_state_groups(*found)


def work(server):
    print("ready", flush=True)
    for _ in sys.stdin:
        print(threads.blockingCallFromThread(reactor, lambda: defer.ensureDeferred(round_of(server))), flush=True)
    reactor.callFromThread(reactor.stop)


def main():
    config = HomeServerConfig.load_config("deletes", sys.argv[1:])
    server = SynapseHomeServer(config.server.server_name, config=config)
    server.setup()
    reactor.callWhenRunning(reactor.callInThread, work, server)
    reactor.run()


main()
