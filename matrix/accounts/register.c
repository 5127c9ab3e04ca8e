/* register.c: new accounts. Any process inserts them; sessions are the main process's (session.c). */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

#include "accounts/accounts.h"
#include "accounts/user_type.h"
#include "accounts/username.h"
#include "rooms/auto_join.h"

static struct gg_logger logger = {"ganglion.accounts"};

static struct gg_str own_id(struct mx_server *server, struct gg_str localpart, struct gg_arena *arena)
{
    return gg_str(gg_arena_printf(arena, "@%.*s:%s", GG_FMT(localpart), server->name));
}

/* Names that differ in case only are one name. */
static int check_free(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_user like[MX_USERS_LIKE_MAX];
    size_t n = 0;
    struct mx_user exact;
    int status = mx_users_get(server, user_id, arena, &exact, err);
    if (!status && !exact.id.s)
        status = mx_users_like(server, user_id, arena, like, &n, err);
    if (!status && (exact.id.s || n))
        return gg_refuse(err, 400, "M_USER_IN_USE", "User ID already taken.");
    return status;
}

int mx_username_available(struct mx_server *server, struct gg_str localpart, bool inhibit, struct gg_arena *arena,
                          struct gg_error *err)
{
    int status = mx_username_check(localpart, gg_str(server->name),
                                   gg_config_bool(server->config, "allow_underscore_prefixed_localpart"), false, err);
    return status || inhibit ? status : check_free(server, own_id(server, localpart, arena), arena, err);
}

/* A user without a wish is called by the next free number. */
static int choose_number(struct mx_server *server, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    for (;;) {
        int64_t number;
        struct mx_user user;
        int status = mx_users_next_number(server, arena, &number, err);
        if (status)
            return status;
        *out = gg_str(gg_arena_printf(arena, "%lld", (long long)number));
        if ((status = mx_users_get(server, own_id(server, *out, arena), arena, &user, err)) || !user.id.s)
            return status;
    }
}

int mx_register(struct mx_server *server, const struct mx_registration *registration, struct gg_arena *arena,
                struct gg_str *user_id_out, struct gg_error *err)
{
    struct gg_str localpart = registration->localpart;
    int status = localpart.s ? mx_username_available(server, localpart, false, arena, err)
                             : choose_number(server, arena, &localpart, err);
    if (status)
        return status;
    *user_id_out = own_id(server, localpart, arena);
    struct mx_new_user user = {.user_id = *user_id_out,
                               .password_hash = registration->password_hash,
                               .display_name = registration->display_name.s ? registration->display_name : localpart,
                               .user_type = registration->user_type.s ? registration->user_type
                                                                      : mx_user_type_default(server->config),
                               .admin = registration->admin,
                               .approved = true};
    status = mx_users_create(server, &user, err);
    if (status)
        return status;
    gg_info(&logger, "registered %.*s", GG_FMT(*user_id_out));
    mx_auto_join(server, *user_id_out, false, arena);
    return 0;
}
