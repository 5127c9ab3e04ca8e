/* main/duties.h: which duties the config has given away and nobody does: the main process knows.
 *
 * Every process says on our own channel, now and then, which duties it has (the command "ganglion.duties"); the main
 * process remembers who said so when. A duty whose processes the files name is also done by whoever of them answers at
 * its replication listener, since processes of Synapse say nothing. What nobody has done for ganglion.duty_patience is
 * told in /ready and in the log. */
#ifndef GG_MAIN_DUTIES_H
#define GG_MAIN_DUTIES_H

#include "main/host.h"

struct gg_duties;

/* Once the configuration is known, before replication starts. */
void gg_duties_new(struct gg_host *host);
/* In a fiber of the jobs' scope. */
void gg_duties_watch(struct gg_host *host);
void gg_duties_free(struct gg_host *host); /* no fiber of it is left */

/* Adds `,"missing_duties":[{"duty":"pusher","processes":["pusher1"]}]`: who should do it, as far as the files of the main
 * process say; nothing in other processes. */
void gg_duties_ready(const struct gg_host *host, struct gg_buf *out);

/* ---- for tests ---- */

/* What the command brings: "pusher1 pusher background". now: gg_now_ms(). */
void gg_duties_heard(struct gg_duties *duties, struct gg_str rest, int64_t now);
/* Is there a duty that nobody has done at that moment? Names them to out, as gg_duties_ready. */
size_t gg_duties_missing(const struct gg_duties *duties, int64_t now, struct gg_buf *out);

#endif
