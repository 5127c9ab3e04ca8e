/* main/peers.h: are the processes that this one needs there? For /ready. */
#ifndef GG_MAIN_PEERS_H
#define GG_MAIN_PEERS_H

#include "main/host.h"

/* Asks the main process, every stream writer of the config, and in the main process whoever has a duty, for /health, now
 * and every few seconds, and touches the database, in a fiber of the jobs' scope. */
void gg_peers_watch(struct gg_host *host);
/* Adds `,"processes":{"worker1":true,...}`; says nothing about who was not asked yet. */
void gg_peers_ready(const struct gg_host *host, struct gg_buf *out);
/* Did a process that this one watches answer when it was last asked? */
bool gg_peers_there(const struct gg_host *host, const char *name);
void gg_peers_free(struct gg_host *host); /* no fiber of it is left */

#endif
