/* accounts/uia.h: interactive authentication (client-server API, "User-Interactive Authentication API"). */
#ifndef MX_ACCOUNTS_UIA_H
#define MX_ACCOUNTS_UIA_H

#include "accounts/accounts.h"

struct mx_uia {
    /* in */
    const char *const *stages; /* of the one flow, NULL-ended */
    const char *description;   /* what the session is for: "register a new account" */
    struct gg_str user_id;     /* whose password m.login.password asks for; s NULL: there is no such stage */
    /* out, in the request's arena */
    bool done;      /* all stages are complete; else mx_uia_answer() is to be called */
    json_t *answer; /* what that sends */
    struct gg_str session_id;
    json_t *params; /* what the client asked for first, without auth: the arena keeps the reference */
    struct gg_str password_hash, registered_user_id; /* notes of the server; s NULL: none */
};

/* Runs what `auth` of the body asks for. 0: see done; or an error of the stage or of the session. */
GG_YIELDS GG_CHECKED int mx_uia_run(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                                    struct gg_error *err);
/* Answers 401 with what is still to be done; after everything that the next step must find. */
int mx_uia_answer(struct gg_request *rq, struct mx_uia *uia);
/* Only what the session `auth` names holds so far; nothing (and 0) when it names none. */
GG_YIELDS GG_CHECKED int mx_uia_peek(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                                     struct gg_error *err);
void mx_uia_make(struct mx_server *server);

#endif
