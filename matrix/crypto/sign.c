/* sign.c: SHA-256 and Ed25519 by OpenSSL and libsodium, and Synapse's signing key files. */
#include <ganglion/matrix/crypto.h>
#include <openssl/evp.h>
#include <sodium/crypto_sign.h>
#include <stdio.h>
#include <stdlib.h>

/* OpenSSL fails here only for want of memory or of a working library. */
static void must(bool ok)
{
    if (!ok)
        abort();
}

void mx_sha256(struct gg_str data, uint8_t out[32])
{
    must(EVP_Digest(data.s ? data.s : "", data.n, out, NULL, EVP_sha256(), NULL) == 1);
}

void mx_sign(const struct mx_signing_key *key, struct gg_str message, uint8_t out[64])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 64;
    must(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
         EVP_DigestSign(ctx, out, &n, (const uint8_t *)message.s, message.n) == 1);
    EVP_MD_CTX_free(ctx);
}

/* Servers must agree on what is signed well: libsodium's rules (no keys of small order, no second spelling of a number) are
 * Synapse's. */
bool mx_verify(const uint8_t public_key[32], struct gg_str message, const uint8_t signature[64])
{
    const uint8_t *bytes = (const uint8_t *)(message.s ? message.s : "");
    return crypto_sign_verify_detached(signature, bytes, message.n, public_key) == 0;
}

static void free_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
}

/* The next blank-separated word of a line. */
static struct gg_str take_word(struct gg_str *line)
{
    struct gg_str word;
    while (line->n && (*line->s == ' ' || *line->s == '\t' || *line->s == '\r'))
        line->s++, line->n--;
    word = gg_strn(line->s, 0);
    while (line->n && *line->s != ' ' && *line->s != '\t' && *line->s != '\r')
        line->s++, line->n--, word.n++;
    return word;
}

static struct gg_str take_line(struct gg_str *text)
{
    const char *newline = memchr(text->s, '\n', text->n);
    struct gg_str line = gg_strn(text->s, newline ? (size_t)(newline - text->s) : text->n);
    size_t taken = line.n + (newline != NULL);
    text->s += taken;
    text->n -= taken;
    return line;
}

/* "ed25519 a_abcd <unpadded base64 of the seed>" */
static int parse_line(struct gg_str line, struct gg_arena *arena, struct mx_signing_key *key, struct gg_error *err)
{
    struct gg_str algorithm = take_word(&line), version = take_word(&line), seed = take_word(&line);
    size_t n = sizeof(key->public_key);
    uint8_t bytes[64];
    if (!gg_str_is(algorithm, "ed25519"))
        return gg_fail(err, GG_E_INVALID, "Signing key: unsupported algorithm \"%.*s\"", GG_FMT(algorithm));
    if (!version.n || version.n + sizeof("ed25519:") > sizeof(key->id))
        return gg_fail(err, GG_E_INVALID, "Signing key: the version is missing or too long");
    if (seed.n > sizeof(bytes) || mx_unbase64(seed, bytes) != 32 || take_word(&line).n)
        return gg_fail(err, GG_E_INVALID, "Signing key %.*s: not the base64 of 32 bytes", GG_FMT(version));
    snprintf(key->id, sizeof(key->id), "ed25519:%.*s", GG_FMT(version));
    memcpy(key->seed, bytes, 32);
    key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed, 32);
    must(key->pkey && EVP_PKEY_get_raw_public_key(key->pkey, key->public_key, &n) == 1);
    gg_arena_defer(arena, free_pkey, key->pkey);
    return 0;
}

static bool is_blank(struct gg_str line)
{
    return take_word(&line).n == 0;
}

int mx_signing_keys_parse(struct gg_str text, struct gg_arena *arena, struct mx_signing_key **keys_out, size_t *n_out,
                          struct gg_error *err)
{
    size_t n = 0;
    struct mx_signing_key *keys;
    for (struct gg_str rest = text; rest.n;)
        n += !is_blank(take_line(&rest));
    if (!n)
        return gg_fail(err, GG_E_INVALID, "Signing key: the file holds no key");
    keys = GG_NEW_ARRAY(arena, struct mx_signing_key, n);
    for (n = 0; text.n;) {
        struct gg_str line = take_line(&text);
        int rc = is_blank(line) ? 0 : parse_line(line, arena, &keys[n], err);
        if (rc)
            return rc;
        n += !is_blank(line);
    }
    *keys_out = keys;
    *n_out = n;
    return 0;
}

struct gg_str mx_signing_key_generate(struct gg_arena *arena)
{
    uint8_t seed[32];
    char version[5], encoded[mx_base64_size(32)];
    gg_random_bytes(seed, sizeof(seed));
    gg_random_text(version, 4, GG_LETTERS);
    mx_base64(seed, sizeof(seed), false, encoded);
    return gg_str(gg_arena_printf(arena, "ed25519 a_%s %s\n", version, encoded));
}
