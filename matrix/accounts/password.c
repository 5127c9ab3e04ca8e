/* password.c: bcrypt on the thread pool. */
#include "accounts/password.h"

#include <crypt.h>
#include <ganglion/fiber.h>
#include <stdlib.h>
#include <unistr.h>

bool mx_password_fits(struct gg_str password)
{
    return password.s && !memchr(password.s, 0, password.n) &&
           u8_mbsnlen((const uint8_t *)password.s, password.n) <= MX_PASSWORD_MAX;
}

struct job {
    char secret[MX_PASSWORD_BYTES + 1];
    char setting[128];
    char result[128]; /* "": it failed */
};

/* On a thread: crypt_ra allocates its own state, so any number may run at once. */
static void run(void *arg)
{
    struct job *job = arg;
    void *data = NULL;
    int size = 0;
    const char *hash = crypt_ra(job->secret, job->setting, &data, &size);
    if (hash && hash[0] != '*' && strlen(hash) < sizeof job->result)
        strcpy(job->result, hash);
    if (data)
        explicit_bzero(data, (size_t)size);
    free(data);
}

static int new_setting(const struct gg_config *config, char *out, size_t size, struct gg_error *err)
{
    int64_t rounds = gg_config_int(config, "bcrypt_rounds");
    unsigned char salt[16];
    gg_random_bytes(salt, sizeof salt);
    if (crypt_gensalt_rn("$2b$", (unsigned long)rounds, (char *)salt, sizeof salt, out, (int)size))
        return 0;
    return gg_fail(err, GG_E_INVALID, "bcrypt_rounds: %lld is not possible (4 to 31)", (long long)rounds);
}

static int start_job(const struct gg_config *config, struct gg_str password, struct job *job, struct gg_error *err)
{
    if (!mx_password_prepare(password, gg_config_text(config, "password_config.pepper"), job->secret))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid password");
    int status = gg_offload(run, job);
    explicit_bzero(job->secret, sizeof job->secret);
    if (status == GG_E_LIMIT)
        return gg_refuse(err, 503, "M_UNKNOWN", "Too many passwords are being checked at once, try again");
    return status ? gg_fail(err, status, "checking a password") : 0;
}

int mx_password_hash(const struct gg_config *config, struct gg_str password, struct gg_arena *arena,
                     const char **hash_out, struct gg_error *err)
{
    struct job job = {0};
    int status = new_setting(config, job.setting, sizeof job.setting, err);
    if (!status)
        status = start_job(config, password, &job, err);
    if (status)
        return status;
    if (!job.result[0])
        return gg_fail(err, GG_E_INTERNAL, "the password could not be hashed");
    *hash_out = gg_arena_strdup(arena, job.result);
    return 0;
}

/* Takes the same time wherever the first difference is. */
static bool equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    unsigned char diff = n != strlen(b);
    for (size_t i = 0; i < n && b[i]; i++)
        diff |= (unsigned char)(a[i] ^ b[i]);
    return !diff;
}

int mx_password_verify(const struct gg_config *config, struct gg_str password, struct gg_str hash, bool *ok_out,
                       struct gg_error *err)
{
    struct job job = {0};
    bool known = hash.s && hash.n && hash.n < sizeof job.setting;
    int status = 0;
    *ok_out = false;
    if (known)
        memcpy(job.setting, hash.s, hash.n);
    else
        status = new_setting(config, job.setting, sizeof job.setting, err);
    if (!status)
        status = start_job(config, password, &job, err);
    if (!status)
        *ok_out = known && job.result[0] && equal(job.result, job.setting);
    return status;
}

/* ---- policy ---- */

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}
static bool is_lower(unsigned char c)
{
    return c >= 'a' && c <= 'z';
}
static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}
static bool is_symbol(unsigned char c)
{
    return !is_digit(c) && !is_lower(c) && !is_upper(c);
}

static const struct rule {
    const char *key, *name, *errcode, *what;
    bool (*fits)(unsigned char c);
} rules[] = {
    {"password_config.policy.require_digit", "m.require_digit", "M_PASSWORD_NO_DIGIT", "digit", is_digit},
    {"password_config.policy.require_symbol", "m.require_symbol", "M_PASSWORD_NO_SYMBOL", "symbol", is_symbol},
    {"password_config.policy.require_uppercase", "m.require_uppercase", "M_PASSWORD_NO_UPPERCASE", "uppercase letter",
     is_upper},
    {"password_config.policy.require_lowercase", "m.require_lowercase", "M_PASSWORD_NO_LOWERCASE", "lowercase letter",
     is_lower},
};

static bool any(struct gg_str text, bool (*fits)(unsigned char c))
{
    for (size_t i = 0; i < text.n; i++)
        if (fits((unsigned char)text.s[i]))
            return true;
    return false;
}

int mx_password_policy(const struct gg_config *config, struct gg_str password, struct gg_error *err)
{
    if (!gg_config_bool(config, "password_config.policy.enabled"))
        return 0;
    int64_t least = gg_config_int(config, "password_config.policy.minimum_length");
    if ((int64_t)u8_mbsnlen((const uint8_t *)password.s, password.n) < least)
        return gg_refuse(err, 400, "M_PASSWORD_TOO_SHORT", "The password must be at least %lld characters long",
                         (long long)least);
    for (size_t i = 0; i < GG_COUNT(rules); i++)
        if (gg_config_bool(config, rules[i].key) && !any(password, rules[i].fits))
            return gg_refuse(err, 400, rules[i].errcode, "The password must include at least one %s", rules[i].what);
    return 0;
}

json_t *mx_password_policy_json(const struct gg_config *config)
{
    json_t *policy = json_object();
    if (!gg_config_bool(config, "password_config.policy.enabled"))
        return policy;
    int64_t least = gg_config_int(config, "password_config.policy.minimum_length");
    if (least > 0)
        json_object_set_new(policy, "m.minimum_length", json_integer(least));
    for (size_t i = 0; i < GG_COUNT(rules); i++)
        if (gg_config_bool(config, rules[i].key))
            json_object_set_new(policy, rules[i].name, json_true());
    return policy;
}
