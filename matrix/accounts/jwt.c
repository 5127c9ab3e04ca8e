/* jwt.c: signatures and claims of JSON web tokens. */
#include "accounts/jwt.h"

#include <ganglion/matrix/crypto.h>
#include <ganglion/memory.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum kind { HMAC_KEY, RSA_PKCS1, RSA_PSS, ECDSA };

static const struct algorithm {
    const char *name;
    enum kind kind;
    const EVP_MD *(*digest)(void);
    int curve_bits, half; /* ECDSA: of the key; bytes of each half of a signature */
} algorithms[] = {
    {"HS256", HMAC_KEY, EVP_sha256, 0, 0},  {"HS384", HMAC_KEY, EVP_sha384, 0, 0},  {"HS512", HMAC_KEY, EVP_sha512, 0, 0},
    {"RS256", RSA_PKCS1, EVP_sha256, 0, 0}, {"RS384", RSA_PKCS1, EVP_sha384, 0, 0}, {"RS512", RSA_PKCS1, EVP_sha512, 0, 0},
    {"PS256", RSA_PSS, EVP_sha256, 0, 0},   {"PS384", RSA_PSS, EVP_sha384, 0, 0},   {"PS512", RSA_PSS, EVP_sha512, 0, 0},
    {"ES256", ECDSA, EVP_sha256, 256, 32},  {"ES384", ECDSA, EVP_sha384, 384, 48},  {"ES512", ECDSA, EVP_sha512, 521, 66},
};

static const struct algorithm *find(const char *name)
{
    for (size_t i = 0; name && i < GG_COUNT(algorithms); i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

/* ---- keys ---- */

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (key)
        return key;
    bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    key = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return key;
}

static EVP_PKEY *key_for(const struct algorithm *a, const char *pem)
{
    EVP_PKEY *key = read_key(pem);
    bool fits = key && (a->kind == ECDSA ? EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == a->curve_bits
                                         : EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA);
    if (fits)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool mx_jwt_key_fits(const char *algorithm, const char *key)
{
    const struct algorithm *a = find(algorithm);
    if (!a || !key || !*key || a->kind == HMAC_KEY)
        return a && key && *key;
    EVP_PKEY *read = key_for(a, key);
    EVP_PKEY_free(read);
    return read != NULL;
}

/* ---- signatures ---- */

static bool check_mac(const struct algorithm *a, const char *key, struct gg_str text, struct gg_str signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return HMAC(a->digest(), key, (int)strlen(key), (const unsigned char *)text.s, text.n, mac, &n) && signature.n == n &&
           CRYPTO_memcmp(mac, signature.s, n) == 0;
}

/* Two numbers of fixed size side by side (RFC 7518, 3.4), as the sequence of two that OpenSSL reads. *out is OpenSSL's. */
static int ecdsa_der(const struct algorithm *a, struct gg_str raw, unsigned char **out)
{
    if (raw.n != 2 * (size_t)a->half)
        return -1;
    ECDSA_SIG *both = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.s, a->half, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.s + a->half, a->half, NULL);
    ECDSA_SIG_set0(both, r, s);
    int n = i2d_ECDSA_SIG(both, out);
    ECDSA_SIG_free(both);
    return n;
}

static bool verify(const struct algorithm *a, EVP_PKEY *key, struct gg_str text, const unsigned char *signature, size_t n)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool ok = EVP_DigestVerifyInit(context, &options, a->digest(), NULL, key) == 1;
    if (ok && a->kind == RSA_PSS)
        ok = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(context, signature, n, (const unsigned char *)text.s, text.n) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static bool check_signature(const struct algorithm *a, const char *pem, struct gg_str text, struct gg_str signature)
{
    if (a->kind == HMAC_KEY)
        return check_mac(a, pem, text, signature);
    EVP_PKEY *key = key_for(a, pem);
    unsigned char *der = NULL;
    int n = key && a->kind == ECDSA ? ecdsa_der(a, signature, &der) : 0;
    bool ok = key && (a->kind == ECDSA ? n > 0 && verify(a, key, text, der, (size_t)n)
                                       : verify(a, key, text, (const unsigned char *)signature.s, signature.n));
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return ok;
}

/* ---- tokens ---- */

/* Decoded, owned; s NULL: no base64. */
static struct gg_str decode(struct gg_str part)
{
    char *out = gg_xmalloc(part.n + 1);
    int64_t n = part.n ? mx_unbase64(part, out) : -1;
    if (n >= 0)
        return gg_strn(out, (size_t)n);
    free(out);
    return (struct gg_str){0};
}

static json_t *decode_object(struct gg_str part)
{
    struct gg_str text = decode(part);
    json_t *object = text.s ? json_loadb(text.s, text.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free((char *)text.s);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static bool is_of(struct gg_str header, const char *algorithm)
{
    json_t *object = decode_object(header);
    const char *said = json_string_value(json_object_get(object, "alg"));
    /* crit names what must be understood (RFC 7515, 4.1.11): nothing is. */
    bool ok = said && strcmp(said, algorithm) == 0 && !json_object_get(object, "crit");
    json_decref(object);
    return ok;
}

json_t *mx_jwt_open(struct gg_str token, const char *algorithm, const char *key, const char **why)
{
    const struct algorithm *a = find(algorithm);
    const char *unused, **say = why ? why : &unused;
    const char *first = memchr(token.s, '.', token.n);
    const char *second = first ? memchr(first + 1, '.', token.n - (size_t)(first + 1 - token.s)) : NULL;
    *say = "it is no token";
    if (!a || !second)
        return NULL;
    struct gg_str signed_part = gg_strn(token.s, (size_t)(second - token.s));
    struct gg_str claims = gg_strn(first + 1, (size_t)(second - first - 1));
    *say = "unsupported algorithm";
    if (!is_of(gg_strn(token.s, (size_t)(first - token.s)), algorithm))
        return NULL;
    struct gg_str signature = decode(gg_strn(second + 1, token.n - signed_part.n - 1));
    bool ok = signature.s && check_signature(a, key, signed_part, signature);
    free((char *)signature.s);
    *say = ok ? "its claims are no object" : "Signature verification failed";
    return ok ? decode_object(claims) : NULL;
}

/* ---- claims ---- */

static bool is_among(const char *const *list, size_t n, const json_t *value)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

/* One audience, or a list of them. */
static bool is_meant(const json_t *aud, const char *const *audiences, size_t n)
{
    bool found = is_among(audiences, n, aud);
    for (size_t i = 0; !found && i < json_array_size(aud); i++)
        found = is_among(audiences, n, json_array_get(aud, i));
    return found;
}

static const char *judge_times(const json_t *claims, int64_t now)
{
    static const char *const names[] = {"exp", "nbf", "iat"};
    for (size_t i = 0; i < GG_COUNT(names); i++) {
        const json_t *v = json_object_get(claims, names[i]);
        if (v && !json_is_integer(v))
            return "Invalid time claim";
    }
    const json_t *exp = json_object_get(claims, "exp");
    if (exp && json_integer_value(exp) <= now)
        return "The token is expired";
    if (json_integer_value(json_object_get(claims, "nbf")) > now)
        return "The token is not valid yet";
    return json_integer_value(json_object_get(claims, "iat")) > now ? "The token was issued in the future" : NULL;
}

const char *mx_jwt_judge(const json_t *claims, const char *issuer, const char *const *audiences, size_t n_audiences,
                         int64_t now_seconds)
{
    const json_t *iss = json_object_get(claims, "iss"), *aud = json_object_get(claims, "aud");
    if (issuer && !is_among(&issuer, 1, iss))
        return iss ? "Invalid claim 'iss'" : "Missing 'iss' claim";
    if (n_audiences && !is_meant(aud, audiences, n_audiences))
        return aud ? "Invalid claim 'aud'" : "Missing 'aud' claim";
    return judge_times(claims, now_seconds);
}
