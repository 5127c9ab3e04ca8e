/* matrix/federation/sending/position.c: where this sender goes on, and that all senders agree on who they are.
 *
 * A destination belongs to one sender by its place in the list federation_sender_instances. Two senders with different
 * lists would both serve a destination, or neither; as long as two such are there, both stand still and say so. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum { SAY_MS = 60 * 1000, SAY_AGAIN_MS = 5 * 1000 };

static void agree(struct mx_sending *sending)
{
    if (sending->disputed)
        gg_info(&logger, "all federation senders have the same list again");
    sending->disputed = false;
    sending->dispute[0] = '\0';
    gg_cond_signal(&sending->news);
}

static void disagree(struct mx_sending *sending, struct gg_str other, struct gg_str list)
{
    char before[sizeof(sending->dispute)];
    memcpy(before, sending->dispute, sizeof(before));
    snprintf(sending->dispute, sizeof(sending->dispute), "%.*s sends to other servers, too, but with the list [%.*s]",
             GG_FMT(other), GG_FMT(list));
    if (!sending->disputed || strcmp(before, sending->dispute) != 0)
        gg_err(&logger,
               "%s: nothing is sent until federation_sender_instances is the same everywhere and all were started again",
               sending->dispute);
    sending->disputed = true;
}

static int look(struct mx_sending *sending, bool away, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str other, list;
    int rc = mx_sender_say(sending->server, &sending->claim, away, arena, &other, &list, err);
    if (rc == 0 && other.s != NULL)
        disagree(sending, other, list);
    else if (rc == 0)
        agree(sending);
    gg_arena_free(arena);
    return rc;
}

int mx_position_start(struct mx_sending *sending, struct gg_error *err)
{
    int rc = mx_sender_claim(sending->server, &sending->claim, err);
    if (rc != 0)
        return rc;
    if (sending->claim.reset && sending->claim.n > 1)
        gg_info(&logger, "the list of federation senders is another one: all go on from position %lld",
                (long long)sending->claim.events);
    sending->position = sending->written = sending->claim.events;
    sending->federation_position = sending->claim.federation;
    sending->written_at = gg_now_ms();
    return look(sending, false, err);
}

void mx_position_watch(void *arg)
{
    struct mx_sending *sending = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        gg_sleep(sending->disputed ? SAY_AGAIN_MS : SAY_MS);
        if (!gg_cancelled() && look(sending, false, &err) != 0)
            gg_warn(&logger, "other federation senders cannot be looked for: %s", err.message);
    }
}

/* The next start goes on from here; and whoever has another list need not wait for us. */
void mx_position_end(struct mx_sending *sending)
{
    struct gg_error err = GG_ERROR_INIT;
    bool held;
    if (sending->written < sending->position && !sending->disputed &&
        mx_owe(sending->server, sending->claim.own, sending->position, NULL, NULL, NULL, 0, &held, &err) != 0)
        gg_warn(&logger, "the position is not written: %s", err.message);
    if (look(sending, true, &err) != 0)
        gg_warn(&logger, "the end of this sender is not noted: %s", err.message);
}
