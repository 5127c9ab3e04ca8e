/* register.c: new accounts. Any process inserts them; sessions are the main process's (session.c). */
#include <ganglion/matrix/pushers.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

#include <ganglion/topology.h>

#include "accounts/consent.h"
#include "accounts/threepid.h"
#include "accounts/user_type.h"
#include "accounts/username.h"
#include "rooms/auto_join.h"
#include "storage/accounts_registration.h"
#include "usage/usage.h"

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

/* The name by which the server itself speaks is nobody's. */
static int check_reserved(const struct mx_server *server, struct gg_str localpart, struct gg_error *err)
{
    const char *speaker = gg_config_text(server->config, "server_notices.system_mxid_localpart");
    return speaker && gg_str_is(localpart, speaker) ? gg_refuse(err, 400, "M_EXCLUSIVE", "This user ID is reserved.") : 0;
}

int mx_username_available(struct mx_server *server, struct gg_str localpart, bool inhibit, struct gg_arena *arena,
                          struct gg_error *err)
{
    int status = mx_username_check(localpart, gg_str(server->name),
                                   gg_config_bool(server->config, "allow_underscore_prefixed_localpart"), false, err);
    struct gg_str user_id = own_id(server, localpart, arena);
    if (!status)
        status = check_reserved(server, localpart, err);
    if (!status)
        status = mx_appservices_admit_user(server, user_id, NULL, err);
    return status || inhibit ? status : check_free(server, user_id, arena, err);
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
        if ((status = mx_users_get(server, own_id(server, *out, arena), arena, &user, err)))
            return status;
        if (!user.id.s && mx_appservices_admit_user(server, own_id(server, *out, arena), NULL, err) == 0)
            return 0;
        *err = (struct gg_error){0};
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
                               .guest = registration->guest,
                               .approved = true};
    status = mx_users_create(server, &user, err);
    if (status)
        return status;
    gg_info(&logger, "registered %.*s", GG_FMT(*user_id_out));
    mx_auto_join(server, *user_id_out, registration->guest, arena);
    return 0;
}

/* Bridges name their users after those of other networks: the rules for names are not asked. */
int mx_register_ghost(struct mx_server *server, const struct mx_appservice *service, struct gg_str localpart,
                      struct gg_arena *arena, struct gg_str *user_id_out, struct gg_error *err)
{
    *user_id_out = own_id(server, localpart, arena);
    if (!mx_user_id_valid(*user_id_out) || !localpart.n)
        return gg_refuse(err, 400, "M_INVALID_USERNAME", "User ID is not valid");
    if (!mx_appservice_has_user(service, *user_id_out))
        return gg_refuse(err, 400, "M_EXCLUSIVE", "Invalid user localpart for this application service.");
    int status = mx_appservices_admit_user(server, *user_id_out, service, err);
    if (status)
        return status;
    const struct mx_new_user user = {
        .user_id = *user_id_out,
        .password_hash = GG_STR(""),
        .display_name = localpart,
        .app_service = gg_str(mx_appservice_owns_user(service, *user_id_out) ? service->id : NULL),
        .unlisted = true,
        .approved = true};
    return mx_users_create(server, &user, err);
}

/* ---- what follows ---- */

static int bind_address(struct mx_server *server, struct gg_str user_id, const json_t *proof, struct gg_error *err)
{
    struct gg_str medium = mx_text(proof, "medium"), address = mx_text(proof, "address");
    json_int_t at = json_integer_value(json_object_get(proof, "validated_at"));
    if (!medium.s || !address.s)
        return 0;
    int status = mx_usage_registered(server, user_id, medium, address, err);
    if (!status)
        status = mx_threepids_add(server, user_id, medium, address, at ? at : gg_wall_ms(), err);
    return status || !gg_str_is(medium, "email") ? status : mx_push_mails_begin(server, user_id, address, err);
}

static int registered_here(struct mx_server *server, struct gg_str user_id, const json_t *results, struct gg_error *err)
{
    const json_t *mail = json_object_get(results, "m.login.email.identity");
    const char *version = mx_consent_version(server->config);
    int status = json_is_object(mail) ? bind_address(server, user_id, mail, err) : 0;
    if (!status && version && json_is_true(json_object_get(results, "m.login.terms")))
        status = mx_users_consent(server, user_id, gg_str(version), err);
    return status;
}

int mx_registered(struct mx_server *server, struct gg_str user_id, const json_t *results, const char *access_token,
                  struct gg_error *err)
{
    if (gg_host_is_main(server->host))
        return registered_here(server, user_id, results, err);
    struct gg_arena *arena = gg_arena_new();
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL;
    json_t *body = json_pack("{so ss?}", "auth_result", json_deep_copy(results), "access_token", access_token);
    int status = gg_repl_call(server->host, GG_MASTER, "post_register", args, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return status;
}
