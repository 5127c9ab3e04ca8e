/* password_prepare.c: what is hashed of a password (facts database 8.1). Pure; also part of the tool hash_password. */
#include "accounts/password.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

bool mx_password_prepare(struct gg_str password, const char *pepper, char out[MX_PASSWORD_BYTES + 1])
{
    size_t n = 0;
    if (memchr(password.s, 0, password.n) || u8_check((const uint8_t *)password.s, password.n))
        return false;
    uint8_t *normal = u8_normalize(UNINORM_NFKC, (const uint8_t *)password.s, password.n, NULL, &n);
    if (!normal)
        return false;
    size_t used = n < MX_PASSWORD_BYTES ? n : MX_PASSWORD_BYTES;
    memcpy(out, normal, used);
    size_t more = pepper ? strlen(pepper) : 0;
    if (more > MX_PASSWORD_BYTES - used)
        more = MX_PASSWORD_BYTES - used;
    if (more)
        memcpy(out + used, pepper, more);
    out[used + more] = 0;
    explicit_bzero(normal, n);
    free(normal);
    return true;
}
