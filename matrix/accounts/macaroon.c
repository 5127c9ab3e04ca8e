/* macaroon.c: making and checking macaroons (first-party caveats only; HMAC-SHA256 in a chain). */
#include "accounts/macaroon.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/crypto.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { MAC = 32, HEAD = 4, TEXT_MAX = 4096, CAVEATS_MAX = 32 };

static void hmac(const void *key, size_t key_size, struct gg_str text, uint8_t out[MAC])
{
    unsigned size = MAC;
    HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text.s, text.n, out, &size);
}

/* The secret itself never signs: a key is drawn from it first. */
static void first_mac(struct gg_str secret, struct gg_str identifier, uint8_t out[MAC])
{
    static const char generator[] = "macaroons-key-generator";
    uint8_t key[MAC];
    hmac(generator, sizeof generator - 1, secret, key);
    hmac(key, MAC, identifier, out);
    explicit_bzero(key, sizeof key);
}

static void add_caveat(uint8_t mac[MAC], struct gg_str caveat)
{
    uint8_t next[MAC];
    hmac(mac, MAC, caveat, next);
    memcpy(mac, next, MAC);
}

/* A packet: its length in four hex digits, a name, a space, a value, a newline. */
static void packet(struct gg_buf *out, const char *name, struct gg_str value)
{
    gg_buf_printf(out, "%04zx%s ", HEAD + strlen(name) + 1 + value.n + 1, name);
    gg_buf_str(out, value);
    gg_buf_char(out, '\n');
}

const char *mx_macaroon_make(struct gg_arena *arena, struct gg_str secret, struct gg_str location,
                             const struct gg_str *caveats, size_t n)
{
    struct gg_buf out = GG_BUF_INIT;
    uint8_t mac[MAC];
    first_mac(secret, GG_STR("key"), mac);
    packet(&out, "location", location);
    packet(&out, "identifier", GG_STR("key"));
    for (size_t i = 0; i < n; i++) {
        packet(&out, "cid", caveats[i]);
        add_caveat(mac, caveats[i]);
    }
    packet(&out, "signature", gg_strn((const char *)mac, MAC));
    char *text = gg_arena_alloc(arena, mx_base64_size(out.n));
    mx_base64(out.data, out.n, true, text);
    gg_buf_done(&out);
    return text;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next packet; false: there is none, or it is broken. */
static bool next_packet(struct gg_str *rest, struct gg_str *name_out, struct gg_str *value_out)
{
    size_t size = 0;
    if (rest->n < HEAD)
        return false;
    for (size_t i = 0; i < HEAD; i++) {
        if (hex(rest->s[i]) < 0)
            return false;
        size = size * 16 + (size_t)hex(rest->s[i]);
    }
    if (size < HEAD + 2 || size > rest->n || rest->s[size - 1] != '\n')
        return false;
    struct gg_str body = gg_strn(rest->s + HEAD, size - HEAD - 1);
    const char *space = memchr(body.s, ' ', body.n);
    if (!space)
        return false;
    *name_out = gg_strn(body.s, (size_t)(space - body.s));
    *value_out = gg_strn(space + 1, body.n - name_out->n - 1);
    *rest = gg_strn(rest->s + size, rest->n - size);
    return true;
}

bool mx_macaroon_open(struct gg_arena *arena, struct gg_str secret, struct gg_str text, struct gg_str **caveats_out,
                      size_t *n_out)
{
    if (!text.n || text.n > TEXT_MAX)
        return false;
    char *raw = gg_arena_alloc(arena, text.n);
    int64_t size = mx_unbase64(text, raw);
    struct gg_str rest = gg_strn(raw, size > 0 ? (size_t)size : 0), name, value;
    struct gg_str *caveats = GG_NEW_ARRAY(arena, struct gg_str, CAVEATS_MAX);
    uint8_t mac[MAC];
    if (!next_packet(&rest, &name, &value) || !gg_str_is(name, "location") || !next_packet(&rest, &name, &value) ||
        !gg_str_is(name, "identifier"))
        return false;
    first_mac(secret, value, mac);
    *n_out = 0;
    while (next_packet(&rest, &name, &value)) {
        if (gg_str_is(name, "signature")) {
            *caveats_out = caveats;
            return !rest.n && value.n == MAC && CRYPTO_memcmp(value.s, mac, MAC) == 0;
        }
        if (!gg_str_is(name, "cid") || *n_out == CAVEATS_MAX)
            return false;
        caveats[(*n_out)++] = value;
        add_caveat(mac, value);
    }
    return false;
}

/* ---- tokens that name a user ---- */

/* The user of a token that has each of the fixed caveats and a "user_id = ", and besides nothing but what begins with `loose`
 * (s NULL: nothing): any other caveat could limit the token. s NULL when it is not so. In the arena. */
static struct gg_str user_of(struct gg_arena *arena, struct gg_str secret, struct gg_str token, const struct gg_str *fixed,
                             size_t n_fixed, struct gg_str loose)
{
    const struct gg_str user_is = GG_STR("user_id = "), none = {0};
    struct gg_str *caveats, user = {0};
    size_t n;
    unsigned seen = 0;
    if (!mx_macaroon_open(arena, secret, token, &caveats, &n))
        return none;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_fixed && !gg_str_eq(caveats[i], fixed[k]))
            k++;
        if (k < n_fixed)
            seen |= 1u << k;
        else if (gg_str_starts(caveats[i], user_is) && !user.s)
            user = gg_arena_str(arena, gg_strn(caveats[i].s + user_is.n, caveats[i].n - user_is.n));
        else if (!loose.s || !gg_str_starts(caveats[i], loose))
            return none;
    }
    return seen == (1u << n_fixed) - 1 ? user : none;
}

/* ---- guests ---- */

const char *mx_guest_token_make(struct gg_arena *arena, struct gg_str secret, const char *server_name,
                                struct gg_str user_id)
{
    char nonce[17];
    gg_random_text(nonce, 16, GG_LETTERS);
    const struct gg_str caveats[] = {GG_STR("gen = 1"), GG_STR("type = access"),
                                     gg_str(gg_arena_printf(arena, "user_id = %.*s", GG_FMT(user_id))),
                                     gg_str(gg_arena_printf(arena, "nonce = %s", nonce)), GG_STR("guest = true")};
    return mx_macaroon_make(arena, secret, gg_str(server_name), caveats, GG_COUNT(caveats));
}

struct gg_str mx_guest_token_user(struct gg_arena *arena, struct gg_str secret, struct gg_str token)
{
    static const struct gg_str fixed[] = {{"gen = 1", 7}, {"type = access", 13}, {"guest = true", 12}};
    return user_of(arena, secret, token, fixed, GG_COUNT(fixed), GG_STR("nonce = "));
}

/* ---- links in mails ---- */

static struct gg_str caveat(struct gg_arena *arena, const char *key, struct gg_str value)
{
    return gg_str(gg_arena_printf(arena, "%s = %.*s", key, GG_FMT(value)));
}

const char *mx_unsubscribe_token_make(struct gg_arena *arena, struct gg_str secret, const char *server_name,
                                      struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey)
{
    const struct gg_str caveats[] = {GG_STR("gen = 1"), GG_STR("type = delete_pusher"), caveat(arena, "user_id", user_id),
                                     caveat(arena, "app_id", app_id), caveat(arena, "pushkey", pushkey)};
    return mx_macaroon_make(arena, secret, gg_str(server_name), caveats, GG_COUNT(caveats));
}

struct gg_str mx_unsubscribe_token_user(struct gg_arena *arena, struct gg_str secret, struct gg_str token,
                                        struct gg_str app_id, struct gg_str pushkey)
{
    const struct gg_str fixed[] = {GG_STR("gen = 1"), GG_STR("type = delete_pusher"), caveat(arena, "app_id", app_id),
                                   caveat(arena, "pushkey", pushkey)};
    return user_of(arena, secret, token, fixed, GG_COUNT(fixed), gg_strn(NULL, 0));
}
