/* accounts/uia.h: interactive authentication (client-server API, "User-Interactive Authentication API").
 *
 * Sessions are rows that any process, also one of Synapse's, may go on with. A caller that wants a proof of who asks:
 *   struct mx_uia uia = {.description = "remove device(s) from your account"};
 *   status = mx_uia_confirm(server, rq, body, true, &uia, err);
 *   if (status || !uia.done)
 *       return status ? status : mx_uia_answer(rq, &uia);
 * Others give flows of their own to mx_uia_run. */
#ifndef MX_ACCOUNTS_UIA_H
#define MX_ACCOUNTS_UIA_H

#include "accounts/accounts.h"

enum { MX_UIA_STAGES = 6 };
#define MX_UIA_REGISTRATION_TOKEN "m.login.registration_token" /* the stage, and the note of what it took */

/* Stages that must all be completed, in any order; ended by NULL. */
struct mx_uia_flow {
    const char *stages[MX_UIA_STAGES];
};

struct mx_uia {
    /* in */
    const struct mx_uia_flow *flows; /* any one of them suffices */
    size_t n_flows;
    const char *description;   /* what the session is for: "register a new account" */
    struct gg_str user_id;     /* who must prove who they are; s NULL: nobody */
    bool may_change;           /* the request may differ from step to step (registering); otherwise it is refused */
    const char *secret;        /* a member of the request that is not kept beside "password"; or NULL */
    /* out, in the request's arena */
    bool done;      /* all stages of a flow are complete; else mx_uia_answer() is to be called */
    json_t *answer; /* what that sends */
    struct gg_str session_id;
    json_t *params; /* what the client asked for, without auth: the arena keeps the reference */
    json_t *notes;  /* the server's notes of the session: an object; the arena keeps the reference */
    json_t *results; /* of the completed stages, by their names: an object; the arena keeps the reference */
};

/* Runs what `auth` of the body asks for. 0: see done; or an error of the stage or of the session. */
GG_YIELDS GG_CHECKED int mx_uia_run(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                                    struct gg_error *err);
/* Has the requester prove who they are, by whatever means they have; sets flows, user_id. may_skip: a proof that this
 * token gave within ui_auth.session_timeout suffices (then no session is made and params is the body). */
GG_YIELDS GG_CHECKED int mx_uia_confirm(struct mx_server *server, struct gg_request *rq, json_t *body, bool may_skip,
                                        struct mx_uia *uia, struct gg_error *err);
/* The same, but an application service's token suffices (application service API, "Client considerations"). */
GG_YIELDS GG_CHECKED int mx_uia_unless_service(struct mx_server *server, struct gg_request *rq, json_t *body, bool may_skip,
                                               struct mx_uia *uia, struct gg_error *err);
/* Answers 401 with what is still to be done; after everything that the next step must find. */
int mx_uia_answer(struct gg_request *rq, struct mx_uia *uia);
/* Only what the session `auth` names holds so far; nothing (and 0) when it names none. */
GG_YIELDS GG_CHECKED int mx_uia_peek(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                                     struct gg_error *err);
/* Completes a stage of a session from beside the request that it is for (a page). *again_out: why not may be told to the
 * user, who can try again. */
GG_YIELDS GG_CHECKED int mx_uia_fallback(struct mx_server *server, struct gg_request *rq, struct gg_str session_id,
                                         const char *stage, const json_t *auth, bool *again_out, struct gg_error *err);
/* A text of the server's notes; s NULL: there is none. */
static inline struct gg_str mx_uia_noted(const struct mx_uia *uia, const char *key)
{
    return mx_text(uia->notes, key);
}
/* Notes a text with the session. */
GG_YIELDS GG_CHECKED int mx_uia_note_text(struct mx_server *server, struct mx_uia *uia, const char *key,
                                          struct gg_str value, struct gg_error *err);
void mx_uia_make(struct mx_server *server);

/* ---- stages (uia_stages.c) ---- */

/* What a stage is told. */
struct mx_uia_try {
    struct mx_server *server;
    struct gg_request *rq;
    const json_t *auth;
    struct mx_uia *uia;
};
struct mx_uia_stage {
    const char *name;
    /* 0 and a JSON value (new reference) that proves it; or why not, and whether the client may try again in the same
     * session (*again_out). */
    GG_YIELDS int (*run)(const struct mx_uia_try *attempt, json_t **result_out, bool *again_out, struct gg_error *err);
    /* What clients are told beforehand: a new reference; NULL function: nothing. */
    json_t *(*params)(struct mx_server *server);
    /* May it be completed where no flow asks for it? NULL function: never. */
    bool (*unasked)(const struct mx_server *server);
};
/* NULL: no such stage. */
const struct mx_uia_stage *mx_uia_stage_find(struct gg_str name);

#endif
