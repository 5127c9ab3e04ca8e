/* accounts/jwt.h: JSON web tokens by which another system vouches for a user (RFC 7515, 7518, 7519; config jwt_config). Pure. */
#ifndef MX_ACCOUNTS_JWT_H
#define MX_ACCOUNTS_JWT_H

#include <ganglion/base.h>
#include <jansson.h>

/* Can tokens of this algorithm (HS, RS, PS, ES with 256, 384, 512) be checked with this key: a secret text for HS, else a public
 * key or a certificate as PEM? Whatever a token says of itself, only the configured algorithm counts. */
bool mx_jwt_key_fits(const char *algorithm, const char *key);
/* The claims, a new reference, if the signature is right; else NULL, and *why (may be NULL) says what is wrong. */
json_t *mx_jwt_open(struct gg_str token, const char *algorithm, const char *key, const char **why);
/* May claims be used now by us? issuer NULL, n_audiences 0: any. NULL: yes; else what is wrong. */
const char *mx_jwt_judge(const json_t *claims, const char *issuer, const char *const *audiences, size_t n_audiences,
                         int64_t now_seconds);

#endif
