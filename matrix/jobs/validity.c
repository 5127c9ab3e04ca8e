/* validity.c: accounts that expire (config account_validity): everybody has a date, and is mailed before it. */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "accounts/validity.h"
#include "jobs/jobs.h"
#include "storage/accounts_validity.h"

static struct gg_logger logger = {"ganglion.jobs"};

enum { FILLED_AT_ONCE = 1000, MAILED_AT_ONCE = 100 };

/* Users from before accounts expired get a date of the last tenth of the period: the mails of all of them at once would be
 * taken for spam. */
static int fill(struct mx_server *server, struct gg_error *err)
{
    int64_t spread = gg_config_int(server->config, "account_validity.period") / 10, n = FILLED_AT_ONCE;
    int status = 0;
    while (!status && n == FILLED_AT_ONCE && !gg_cancelled())
        status = mx_validity_fill(server, mx_validity_end(server->config), spread, FILLED_AT_ONCE, &n, err);
    return status;
}

/* Who cannot be mailed must not keep the mails from others. */
static void mail(struct mx_server *server, const struct gg_str *users, size_t n)
{
    for (size_t i = 0; i < n && !gg_cancelled(); i++) {
        struct gg_error err = GG_ERROR_INIT;
        if (mx_validity_mail(server, users[i], &err))
            gg_warn(&logger, "the account of %.*s expires soon; it was not mailed: %s", GG_FMT(users[i]), err.message);
    }
}

static int mail_all(struct mx_server *server, struct gg_error *err)
{
    int64_t before = gg_wall_ms() + gg_config_int(server->config, "account_validity.renew_at");
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *users, after = GG_STR("");
    size_t n = MAILED_AT_ONCE;
    int status = 0;
    while (!status && n == MAILED_AT_ONCE && !gg_cancelled()) {
        status = mx_validity_due(server, before, after, MAILED_AT_ONCE, arena, &users, &n, err);
        if (!status && n) {
            mail(server, users, n);
            after = users[n - 1];
        }
    }
    gg_arena_free(arena);
    return status;
}

int mx_job_account_validity(struct mx_server *server, struct gg_error *err)
{
    int status = mx_validity_enabled(server->config) ? fill(server, err) : 0;
    return status || !mx_validity_by_mail(server->config) ? status : mail_all(server, err);
}
