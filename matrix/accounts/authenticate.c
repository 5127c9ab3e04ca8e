/* authenticate.c: whose request is this? Access tokens, with a cache for tokens and one for what users are. */
#include <ganglion/http.h>
#include <ganglion/log.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>

#include "accounts/accounts.h"
#include "accounts/validity.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { TOKEN_BYTES = 8 << 20, USER_BYTES = 4 << 20, TOKEN_MAX = 4096 };

/* A cached token: text holds owner, user and device, each ended by a NUL. */
struct token {
    int64_t id, valid_until_ms;
    bool has_device;
    char text[];
};

/* What the cache of users keeps: flags that can change while a token lives. */
struct flags {
    bool admin, guest, deactivated, locked, suspended, shadow_banned, limited, unlimited;
    int64_t per_second, burst;
};

/* A token and its user as one, in the request's arena. */
struct found {
    bool known;
    int64_t id, valid_until_ms; /* id 0: a guest's, which no table holds */
    const char *owner, *user_id, *device_id;
    struct flags flags;
};

static bool from_cache(struct mx_accounts *a, struct gg_str token, struct gg_arena *arena, struct found *out)
{
    const struct token *t = mx_cache_get(a->tokens, token);
    if (!t)
        return false;
    const char *user = t->text + strlen(t->text) + 1, *device = user + strlen(user) + 1;
    const struct flags *flags = mx_cache_get(a->users, gg_str(user));
    if (!flags)
        return false;
    *out = (struct found){true,
                          t->id,
                          t->valid_until_ms,
                          gg_arena_strdup(arena, t->text),
                          gg_arena_strdup(arena, user),
                          t->has_device ? gg_arena_strdup(arena, device) : NULL,
                          *flags};
    return true;
}

static void keep_token(struct mx_accounts *a, struct gg_str token, const struct found *f, uint64_t tick)
{
    const char *device = f->device_id ? f->device_id : "";
    size_t owner = strlen(f->owner) + 1, user = strlen(f->user_id) + 1, rest = strlen(device) + 1;
    struct token *t = gg_xcalloc(1, sizeof(*t) + owner + user + rest);
    t->id = f->id;
    t->valid_until_ms = f->valid_until_ms;
    t->has_device = f->device_id != NULL;
    memcpy(t->text, f->owner, owner);
    memcpy(t->text + owner, f->user_id, user);
    memcpy(t->text + owner + user, device, rest);
    mx_cache_put(a->tokens, token, t, sizeof(*t) + owner + user + rest, tick);
}

static void keep_flags(struct mx_accounts *a, const struct found *f, uint64_t tick)
{
    struct flags *copy = gg_xmalloc(sizeof(*copy));
    *copy = f->flags;
    mx_cache_put(a->users, gg_str(f->user_id), copy, sizeof(*copy), tick);
}

static void take_row(const struct mx_token_row *row, struct gg_arena *arena, struct found *out)
{
    *out = (struct found){
        .known = true,
        .id = row->id,
        .valid_until_ms = row->valid_until_ms,
        .owner = gg_arena_strndup(arena, row->owner.s, row->owner.n),
        .user_id = gg_arena_strndup(arena, row->user_id.s, row->user_id.n),
        .device_id = row->device_id.s ? gg_arena_strndup(arena, row->device_id.s, row->device_id.n) : NULL,
        .flags = {.admin = row->user.admin,
                  .guest = row->user.guest,
                  .deactivated = row->user.deactivated,
                  .locked = row->user.locked,
                  .suspended = row->user.suspended,
                  .shadow_banned = row->user.shadow_banned,
                  .limited = row->limited,
                  .unlimited = row->unlimited,
                  .per_second = row->per_second,
                  .burst = row->burst},
    };
}

/* A guest's token names the user; what the user is now decides. */
static int look_up_guest(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct found *out,
                         struct gg_error *err)
{
    struct mx_accounts *a = server->accounts;
    const struct flags *flags = mx_cache_get(a->users, user_id);
    uint64_t tick = mx_cache_tick(a->users);
    struct mx_user user;
    out->owner = out->user_id = gg_arena_strndup(arena, user_id.s, user_id.n);
    out->device_id = MX_GUEST_DEVICE;
    if (flags) {
        out->flags = *flags;
        out->known = flags->guest;
        return 0;
    }
    int status = mx_users_get(server, user_id, arena, &user, err);
    if (status || !user.id.s || !user.guest)
        return status;
    out->known = true;
    out->flags = (struct flags){.guest = true,
                                .deactivated = user.deactivated,
                                .locked = user.locked,
                                .suspended = user.suspended,
                                .shadow_banned = user.shadow_banned};
    keep_flags(a, out, tick);
    return 0;
}

static int look_up(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct found *out,
                   struct gg_error *err)
{
    struct mx_accounts *a = server->accounts;
    *out = (struct found){0};
    if (token.n > TOKEN_MAX || from_cache(a, token, arena, out))
        return 0;
    struct gg_str guest = mx_guest_of_token(server, token, arena);
    if (guest.s)
        return look_up_guest(server, guest, arena, out, err);
    uint64_t token_tick = mx_cache_tick(a->tokens), user_tick = mx_cache_tick(a->users);
    struct mx_token_row row;
    int status = mx_tokens_find(server, token, arena, &row, err);
    if (status || !row.id)
        return status;
    take_row(&row, arena, out);
    keep_token(a, token, out, token_tick);
    keep_flags(a, out, user_tick);
    if (!row.used && mx_tokens_mark_used(server, row.id, err)) {
        gg_warn(&logger, "could not mark an access token as used: %s", err->message);
        *err = (struct gg_error){0};
    }
    return 0;
}

/* ---- the rules ---- */

static int missing(struct gg_error *err, const char *why)
{
    return gg_refuse(err, 401, "M_MISSING_TOKEN", "%s", why);
}

int mx_request_token(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    const char *header = gg_request_header(rq, "Authorization"), *query = gg_request_query(rq, "access_token");
    *out = (struct gg_str){0};
    if (header && query)
        return missing(err, "Mixing Authorization headers and access_token query parameters.");
    if (query)
        *out = gg_str(query);
    if (!header)
        return 0;
    if (strncmp(header, "Bearer ", 7) != 0 || !header[7])
        return missing(err, "Invalid Authorization header.");
    *out = gg_str(header + 7);
    return 0;
}

static int unknown_token(struct gg_error *err, const char *why, bool soft_logout)
{
    int status = gg_refuse(err, 401, "M_UNKNOWN_TOKEN", "%s", why);
    gg_error_extra(err, "soft_logout", soft_logout ? "true" : "false");
    return status;
}

static int judge(const struct found *f, uint32_t flags, struct gg_error *err)
{
    if (!f->known)
        return unknown_token(err, "Invalid access token passed.", false);
    if (f->valid_until_ms && f->valid_until_ms < gg_wall_ms() && !(flags & MX_AUTH_EXPIRED))
        return unknown_token(err, "Access token has expired", true);
    if (f->flags.deactivated)
        return gg_refuse(err, 403, "M_USER_DEACTIVATED", "This account has been deactivated");
    if (f->flags.locked && !(flags & MX_AUTH_LOCKED)) {
        int status = gg_refuse(err, 401, "M_USER_LOCKED", "User account has been locked");
        gg_error_extra(err, "soft_logout", "true");
        return status;
    }
    if (f->flags.guest && !(flags & MX_AUTH_GUESTS))
        return gg_refuse(err, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access not allowed");
    return 0;
}

static void set_principal(struct gg_request *rq, struct gg_str token, const struct found *f)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_principal *p = GG_NEW(arena, struct mx_principal);
    struct gg_str localpart = mx_id_localpart(gg_str(f->user_id));
    bool puppet = strcmp(f->owner, f->user_id) != 0;
    p->requester = (struct mx_requester){.user_id = f->user_id,
                                         .localpart = gg_arena_strndup(arena, localpart.s, localpart.n),
                                         .device_id = f->device_id,
                                         .access_token_id = f->id,
                                         .access_token = gg_arena_strndup(arena, token.s, token.n),
                                         .guest = f->flags.guest,
                                         .admin = f->flags.admin,
                                         .shadow_banned = f->flags.shadow_banned,
                                         .suspended = f->flags.suspended,
                                         .puppeted_by = puppet ? f->owner : NULL};
    p->token_owner = f->owner;
    p->limited = f->flags.limited;
    p->unlimited = f->flags.unlimited;
    p->rate = (struct mx_rate){(double)f->flags.per_second, (double)f->flags.burst};
    gg_request_set_principal(rq, p, f->user_id);
}

/* ---- application services: whom they speak for, the request itself says (application service API, "Identity assertion") ---- */

/* The flags of a user whom a service speaks for. known false: there is no such user. */
static int look_up_ghost(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct found *out,
                         struct gg_error *err)
{
    struct mx_accounts *a = server->accounts;
    const struct flags *flags = mx_cache_get(a->users, user_id);
    uint64_t tick = mx_cache_tick(a->users);
    struct mx_token_row row;
    *out = (struct found){.owner = gg_arena_strndup(arena, user_id.s, user_id.n)};
    out->user_id = out->owner;
    if (flags) {
        out->known = true;
        out->flags = *flags;
        return 0;
    }
    int status = mx_tokens_standing(server, user_id, arena, &row, err);
    if (status || !row.user_id.s)
        return status;
    take_row(&row, arena, out);
    keep_flags(a, out, tick);
    return 0;
}

/* A sender need not have an account. */
static int check_ghost(const struct mx_appservice *service, struct gg_str user_id, bool known, struct gg_error *err)
{
    if (gg_str_is(user_id, service->sender))
        return 0;
    return known ? 0
                 : gg_refuse(err, 403, "M_FORBIDDEN", "Application service has not registered this user (%.*s)",
                             GG_FMT(user_id));
}

static int check_device(struct mx_server *server, struct gg_request *rq, struct found *found, struct gg_error *err)
{
    const char *id = gg_request_query(rq, "device_id");
    struct mx_device device;
    if (!id)
        id = gg_request_query(rq, "org.matrix.msc3202.device_id");
    if (!id)
        return 0;
    int status = mx_devices_get(server, gg_str(found->user_id), gg_str(id), gg_request_arena(rq), &device, err);
    if (!status && !device.device_id.s)
        return gg_refuse(err, 400, "M_UNKNOWN_DEVICE", "Application service trying to use a device that doesn't exist ('%.100s' for %s)",
                         id, found->user_id);
    found->device_id = id;
    return status;
}

static int authenticate_service(struct mx_server *server, struct gg_request *rq, const struct mx_appservice *service,
                                struct gg_error *err)
{
    const char *as = gg_request_query(rq, "user_id");
    struct gg_str user_id = gg_str(as ? as : service->sender);
    struct found found;
    if (!mx_appservice_has_user(service, user_id) || !mx_is_mine(server, user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Application service cannot masquerade as this user (%.*s).", GG_FMT(user_id));
    int status = look_up_ghost(server, user_id, gg_request_arena(rq), &found, err);
    if (!status)
        status = check_ghost(service, user_id, found.known, err);
    if (!status)
        status = check_device(server, rq, &found, err);
    if (status)
        return status;
    set_principal(rq, gg_str(service->as_token), &found);
    struct mx_principal *p = gg_request_principal(rq);
    p->requester.app_service = service->id;
    p->unlimited = p->unlimited || !service->rate_limited;
    p->service_sender = gg_str_is(user_id, service->sender);
    return 0;
}

/* Its token counts from the addresses that the registration names, if it names any. */
static bool may_speak_from(const struct mx_appservice *service, const char *address)
{
    bool may = service->n_from == 0;
    for (size_t i = 0; i < service->n_from && !may; i++)
        may = gg_ip_range_has(&service->from[i], address);
    return may;
}

static int authenticate_token(struct mx_server *server, struct gg_request *rq, struct gg_str token, uint32_t flags,
                              struct gg_error *err)
{
    struct found found;
    const struct mx_appservice *service = mx_appservice_by_token(server, token);
    if (service && may_speak_from(service, gg_request_address(rq)))
        return authenticate_service(server, rq, service, err);
    int status = look_up(server, token, gg_request_arena(rq), &found, err);
    if (!status)
        status = judge(&found, flags, err);
    if (!status && !(flags & MX_AUTH_EXPIRED))
        status = mx_validity_check(server, gg_str(found.user_id), err);
    if (!status)
        set_principal(rq, token, &found);
    return status;
}

int mx_token_user(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct gg_str *out,
                  struct gg_error *err)
{
    struct found found;
    int status = look_up(server, token, arena, &found, err);
    *out = !status && found.known ? gg_str(found.user_id) : (struct gg_str){0};
    return status;
}

int mx_authenticate(struct mx_server *server, struct gg_request *rq, uint32_t flags, struct gg_error *err)
{
    struct gg_str token;
    int status = mx_request_token(rq, &token, err);
    if (status)
        return status;
    return token.s ? authenticate_token(server, rq, token, flags, err) : missing(err, "Missing access token");
}

static int authenticate_user(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    return mx_authenticate(self, rq, kind == GG_AUTH_GUEST ? MX_AUTH_GUESTS : 0, err);
}

static int authenticate_optional(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    struct gg_str token;
    int status = mx_request_token(rq, &token, err);
    return status || !token.s ? status : authenticate_token(self, rq, token, MX_AUTH_GUESTS, err);
}

static int authenticate_admin(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    int status = mx_authenticate(self, rq, 0, err);
    if (!status && !mx_requester_of(rq)->admin)
        return gg_refuse(err, 403, "M_FORBIDDEN", "You are not a server admin");
    return status;
}

/* ---- forgetting ---- */

/* Rows that name a user under another cache's name also change what we keep of them. */
static void forget_user(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    if (n)
        mx_cache_drop(server->accounts->users, keys[0]);
    else
        mx_cache_clear(server->accounts->users);
}

void mx_authenticate_make(struct mx_server *server)
{
    static const char *const also[] = {"get_ratelimit_for_user",      "is_server_admin",
                                       "get_user_locked_status",      "get_user_suspended_status",
                                       "get_user_deactivated_status", "is_guest"};
    struct mx_accounts *a = server->accounts;
    static const struct mx_cache_def tokens = {.name = "get_user_by_access_token", .max_bytes = TOKEN_BYTES};
    static const struct mx_cache_def users = {.name = "get_user_by_id", .max_bytes = USER_BYTES};
    a->tokens = mx_cache_new(server, &tokens);
    a->users = mx_cache_new(server, &users);
    for (size_t i = 0; i < GG_COUNT(also); i++)
        mx_caches_on(server, also[i], forget_user, server);
    gg_host_set_authenticator(server->host, GG_AUTH_USER, authenticate_user, server);
    gg_host_set_authenticator(server->host, GG_AUTH_GUEST, authenticate_user, server);
    gg_host_set_authenticator(server->host, GG_AUTH_OPTIONAL, authenticate_optional, server);
    gg_host_set_authenticator(server->host, GG_AUTH_ADMIN, authenticate_admin, server);
}
